"""Rows of named values from any file or database."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from tidemill.domain.errors import DataError

Number = TypeVar("Number", int, float)


class Row(NamedTuple):
    """One row: its values by column, and its place for messages, such as "line 12"."""

    place: str
    values: Mapping[str, Any]


class BadRow(NamedTuple):
    """The place and the error of a row that cannot be read."""

    place: str
    error: DataError


class Rows(Protocol):
    """Rows in a fixed order."""

    @property
    def name(self) -> str:
        """The name of the file or table, for messages."""

    def read(self, columns: Sequence[str]) -> Iterator[Row]:
        """Yield every row with at least those of these columns that it has.

        Raises DataError with the place of a value that cannot be read.
        """


def cell_text(value: Any) -> str:
    """Return a value as text, equal for all formats; empty for a missing value.

    A truth value is `true` or `false`, a whole number has only digits, and text is stripped.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def read_number(kind: Callable[[str], Number], column: str, value: object) -> Number:
    """Return the finite number in a cell. Raises DataError naming the column."""
    text = cell_text(value)
    try:
        # int and float would accept 1_000.
        number = kind("" if "_" in text else text)
    except ValueError as error:
        raise DataError(f"the column {column!r} holds no number but {value!r}") from error
    if not math.isfinite(number):
        raise DataError(f"the number in {column!r} is not finite")
    return number


def require(columns: Sequence[str], present: Sequence[str], where: str) -> None:
    """Raise DataError when a required column is missing."""
    for column in columns:
        if column not in present:
            raise DataError(
                f"{where} has no column {column!r}.",
                hint=f"Its columns are: {', '.join(present) or 'none'}.",
            )
