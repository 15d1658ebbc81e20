"""Convert rows of a table into arrays of numbers, of their presence and of categories."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    create_model,
    field_validator,
)

from tidemill.codecs.codec import Arrays, Fingerprint, Payload
from tidemill.codecs.columns import (
    UNKNOWN,
    CategoryColumn,
    Cell,
    Column,
    NumberColumn,
    read_cell,
    read_row,
    row_to_json,
    shown,
)
from tidemill.codecs.plain import to_plain
from tidemill.domain.errors import BadPayload
from tidemill.validation import validate

_BYTE_NS, _COLUMN_NS = 200.0, 2_000.0
"""Nanoseconds on one core of a usual server."""


class TableConfig(BaseModel):
    """The codec's configuration: the columns, and how long a payload may be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: tuple[Column, ...] = Field(min_length=1)
    max_bytes: Annotated[int, Field(strict=True, ge=1)] = 100_000

    @field_validator("columns")
    @classmethod
    def _distinct(cls, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        if len({column.name for column in columns}) != len(columns):
            raise ValueError("two columns have one name")
        return columns


class RowPayload(Payload):
    """A row inside JSON. The codec, which knows the columns, validates the cells."""

    row: dict[str, Cell] = Field(description="Column name to value.")

    at_hand: ClassVar[str] = "a row of a data frame, "
    json_limit: ClassVar[int] = 4 << 20
    json_ns_per_byte: ClassVar[float] = 200.0
    columns: ClassVar[tuple[Column, ...]] = ()

    @classmethod
    def cells(cls) -> tuple[str, ...]:
        """Return the names of the columns."""
        return tuple(column.name for column in cls.columns)

    @classmethod
    def from_cells(cls, cells: Mapping[str, Any]) -> Self:
        """Return a row whose numbers may be texts; an empty cell is missing.

        Raises what the base class raises. A text that is no number stays, for the codec to refuse.
        """
        numbers = {column.name for column in cls.columns if isinstance(column, NumberColumn)}
        row = {
            name: read_cell(value, number=name in numbers)
            for name, value in to_plain(cells).items()
        }
        return cls.from_value({"row": row})

    @classmethod
    def from_value(cls, value: Any) -> Self:
        """Return a row of a data frame, a dict of cells, or the JSON form.

        Raises what the base class raises.
        """
        plain = to_plain(value)
        cells = isinstance(plain, Mapping) and not isinstance(plain.get("row"), Mapping)
        return super().from_value({"row": plain} if cells else plain)

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """Return the cells. Raises BadPayload; canonical bytes come back as they are."""
        try:
            return cls(row=read_row(payload))
        except ValidationError as error:
            name = shown(error.errors(include_url=False)[0]["loc"][1])
            raise BadPayload(f"The column {name} holds no plain value.") from error

    def to_bytes(self) -> bytes:
        """Return the canonical payload: sorted keys, no spaces. Raises BadPayload."""
        return row_to_json(self.row)


@dataclass(frozen=True, slots=True)
class DecodedRow:
    """A decoded row: its numbers and its words, in the order of their columns; None is missing."""

    numbers: tuple[float | None, ...]
    words: tuple[str | None, ...]


class TableCodec:
    """Fulfils `Codec` for rows. It is immutable, so threads may share one.

    Numbers are passed on unchanged; the network normalises them, so normalisation is part of the
    exported graph. `payload` is `RowPayload` with these columns in its JSON schema.
    """

    kind = "table"
    payload: type[Payload] = RowPayload

    def __init__(self, settings: TableConfig) -> None:
        self.settings = settings
        self.numbers = tuple(c for c in settings.columns if isinstance(c, NumberColumn))
        self.categories = tuple(c for c in settings.columns if isinstance(c, CategoryColumn))
        self.payload = _payload(settings.columns)
        self._names = {column.name for column in settings.columns}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Return the codec that `config` describes.

        Raises UsageError for a value it cannot take.
        """
        return cls(validate(TableConfig, config))

    def config(self) -> dict[str, Any]:
        """Return plain values that rebuild this codec."""
        return self.settings.model_dump(mode="json")

    def estimate_ns(self, payload: bytes) -> float:
        """Return an estimate from the length and the number of columns."""
        return _BYTE_NS * len(payload) + _COLUMN_NS * len(self.settings.columns)

    def decode(self, payload: bytes) -> DecodedRow:
        """Decode one row. A column that is absent or null is missing. Raises BadPayload."""
        if len(payload) > self.settings.max_bytes:
            raise BadPayload(
                f"The row has {len(payload):,} bytes; the limit is {self.settings.max_bytes:,}."
            )
        row = read_row(payload)
        if strange := sorted(row.keys() - self._names):
            first = shown(self.settings.columns[0].name)
            raise BadPayload(
                f"There is no column {shown(strange[0])}.",
                hint=f"The first of the {len(self._names)} columns is {first}.",
            )
        return DecodedRow(
            numbers=tuple(column.read(row.get(column.name)) for column in self.numbers),
            words=tuple(column.read(row.get(column.name)) for column in self.categories),
        )

    def encode(self, inputs: Sequence[DecodedRow]) -> Arrays:
        """Return `numbers` and `present`, float32 [n, F], and `categories`, int64 [n, C].

        Where a number is missing, both are 0; else `present` is 1. A category is 0 where it is
        missing, 1 where its value is not listed, else 2 plus its position among the listed values.
        A table without numbers lacks the first two, one without categories lacks the third.
        """
        arrays: Arrays = {}
        if self.numbers:
            shape = len(inputs), len(self.numbers)
            cells = [[value is not None for value in decoded.numbers] for decoded in inputs]
            values = [[value or 0.0 for value in decoded.numbers] for decoded in inputs]
            arrays["numbers"] = np.array(values, np.float32).reshape(shape)
            arrays["present"] = np.array(cells, np.float32).reshape(shape)
        if self.categories:
            places = [self._positions(decoded) for decoded in inputs]
            shape = len(inputs), len(self.categories)
            arrays["categories"] = np.array(places, np.int64).reshape(shape)
        return arrays

    def features(self, decoded: DecodedRow) -> dict[str, float]:
        """Return each column as in the arrays, then 0 or 1 for missing and unlisted values.

        `COLUMN` is the number (0 where missing) or the category's position. `missing.COLUMN` is
        added for a column that may be missing, `unknown.COLUMN` for a category. A position is not a
        measurement: values of less than a tenth of the rows share a bin with their neighbours in
        the list. So order the list by similarity or by frequency.
        """
        features = {
            column.name: value or 0.0
            for column, value in zip(self.numbers, decoded.numbers, strict=True)
        }
        for category, place in zip(self.categories, self._positions(decoded), strict=True):
            features[category.name] = float(place)
            features[f"unknown.{category.name}"] = float(place == UNKNOWN)
        cells = zip(
            (*self.numbers, *self.categories), (*decoded.numbers, *decoded.words), strict=True
        )
        absent = {c.name: float(value is None) for c, value in cells if not c.required}
        return features | {f"missing.{name}": value for name, value in absent.items()}

    def fingerprint(self, payload: bytes) -> Fingerprint:
        """Return the fingerprint of the values, however they are written (1 or 1.0; null or
        absent).

        Rows have no perceptual hash. `near` is a part of the digest, so only identical rows are
        near: two others are about 32 bits apart. Raises BadPayload.
        """
        decoded = self.decode(payload)
        cells = zip(
            (*self.numbers, *self.categories), (*decoded.numbers, *decoded.words), strict=True
        )
        there = {column.name: value for column, value in cells if value is not None}
        digest = hashlib.sha256(row_to_json(there)).digest()
        return Fingerprint(exact=digest.hex(), near=int.from_bytes(digest[:8], "big"))

    def _positions(self, decoded: DecodedRow) -> list[int]:
        return [c.position(word) for c, word in zip(self.categories, decoded.words, strict=True)]


def _payload(columns: Sequence[Column]) -> type[RowPayload]:
    schema = {
        "type": "object",
        "properties": {column.name: column.schema_of_cell() for column in columns},
        "required": [column.name for column in columns if column.required],
        "additionalProperties": False,
    }
    described = Field(
        description="Column name to value.",
        examples=[{column.name: column.example for column in columns}],
    )
    row = Annotated[dict[str, Cell], WithJsonSchema(schema)]
    payload = create_model("TableRow", __base__=RowPayload, row=(row, described))
    payload.columns = tuple(columns)
    return payload
