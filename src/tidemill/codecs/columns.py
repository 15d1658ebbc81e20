"""The columns of a table: their valid values, and the JSON form of a row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StrictStr, field_validator

from tidemill.domain.errors import BadPayload

Cell = bool | int | float | str | None
"""The JSON types of a cell."""

MISSING, UNKNOWN, KNOWN = 0, 1, 2
"""Positions of a category: missing, not listed, and the first listed value."""

RESERVED = ("missing.", "unknown.", "prediction.", "confidence.", "embedding.")
"""Prefixes of other drift features, which a column's name must not begin with."""

_LARGEST = float(np.finfo(np.float32).max)
_SHOWN = 60


class _Column(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: StrictStr = Field(min_length=1, max_length=200)
    required: Annotated[bool, Field(strict=True)] = True

    @field_validator("name")
    @classmethod
    def _free(cls, name: str) -> str:
        if name.startswith(RESERVED):
            raise ValueError(f"a column's name must not begin with any of {', '.join(RESERVED)}")
        return name

    def _lacks(self, value: Cell) -> bool:
        """Return True where the value is missing and may be.

        Raises BadPayload where it must not.
        """
        if value is None and self.required:
            raise BadPayload(
                f"The column {shown(self.name)} is missing.", hint="It is needed in every row."
            )
        return value is None


class NumberColumn(_Column):
    """A measurement. Whole numbers are numbers; true, false and text are not."""

    kind: Literal["number"]

    def read(self, value: Cell) -> float | None:
        """Return the number, None where it is missing.

        Raises BadPayload, too, for what float32 cannot hold: the model computes in single
        precision.
        """
        if self._lacks(value):
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadPayload(f"The column {shown(self.name)} takes a number, not {shown(value)}.")
        # Written so that what is not a number is refused, too; an int may be too large for float().
        if not abs(value) <= _LARGEST:
            raise BadPayload(f"The number in the column {shown(self.name)} is not finite.")
        return float(value) + 0.0  # -0.0 becomes 0.0

    def schema_of_cell(self) -> dict[str, Any]:
        """Return the JSON schema of valid cells."""
        return {"type": "number" if self.required else ["number", "null"]}

    @property
    def example(self) -> Cell:
        return 1.5


class CategoryColumn(_Column):
    """One of several words. `values` are those that a model learns to tell apart.

    A whole number stands for its digits, and true and false for these words: 3 and "3" are one
    value. Numbers with a fraction are refused.
    """

    kind: Literal["category"]
    values: tuple[StrictStr, ...] = Field(min_length=1)

    @field_validator("values")
    @classmethod
    def _distinct(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(values)) != len(values):
            raise ValueError("a value is listed twice")
        return values

    def read(self, value: Cell) -> str | None:
        """Return the word, None where it is missing. Raises BadPayload."""
        if self._lacks(value):
            return None
        if isinstance(value, int):  # true and false are ints, too
            return json.dumps(value)
        if not isinstance(value, str):
            raise BadPayload(
                f"The column {shown(self.name)} takes a word, not {shown(value)}.",
                hint="A category is a text, a whole number, true or false.",
            )
        if not value.isascii():
            _check_text(value, self.name)
        return value

    def position(self, word: str | None) -> int:
        """Return MISSING, UNKNOWN, or KNOWN plus the position among `values`."""
        return MISSING if word is None else self._places.get(word, UNKNOWN)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {value: place for place, value in enumerate(self.values, start=KNOWN)}

    def schema_of_cell(self) -> dict[str, Any]:
        """Return the JSON schema of valid cells, which include values that are not listed."""
        kinds = ["string", "integer", "boolean", *([] if self.required else ["null"])]
        return {"type": kinds, "examples": list(self.values)}

    @property
    def example(self) -> Cell:
        return self.values[0]


Column = Annotated[NumberColumn | CategoryColumn, Field(discriminator="kind")]


def read_cell(value: Cell, *, number: bool) -> Cell:
    """Return the value of a cell of a file, where all cells may be texts; None for an empty one.

    A text in a column of numbers becomes its number. One that is no number stays a text.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text:
        return None
    try:
        # float would accept 1_000.
        return float(text) if number and "_" not in text else text
    except ValueError:
        return text


def row_to_json(row: Mapping[str, Cell]) -> bytes:
    """Return a row as its payload: compact JSON with sorted keys, in UTF-8. Raises BadPayload."""
    try:
        text = json.dumps(
            dict(row), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        return text.encode()
    except ValueError as error:
        raise BadPayload("The row holds what JSON in UTF-8 cannot write.") from error


def read_row(payload: bytes) -> dict[str, Any]:
    """Return the cells of a payload, canonical or not.

    Raises BadPayload when it is no JSON object.
    """
    try:
        row = json.loads(payload.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadPayload("The row is not JSON in UTF-8.", hint=_FORM) from error
    if not isinstance(row, dict):
        raise BadPayload("The row is no JSON object.", hint=_FORM)
    return row


_FORM = 'Send {"COLUMN": VALUE, ...}.'


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise BadPayload("The row names a column twice.")
    return row


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _check_text(value: str, name: str) -> None:
    # JSON may escape one half of a surrogate pair, which no encoding can express.
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadPayload(f"The text in the column {shown(name)} is not valid Unicode.") from error


def shown(value: object) -> str:
    """Return a name or a value for a message: quoted, on one line, and shortened."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
