"""Rows of named values, whatever file or database they come from."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from tidemill.domain.errors import DataError


class Row(NamedTuple):
    """One row: where it stands, for a person to find it ("line 12"), and its values by column."""

    place: str
    values: Mapping[str, Any]


class Rows(Protocol):
    """Rows in an order that does not change."""

    @property
    def name(self) -> str:
        """What a person calls the whole of them: the name of a file or table."""

    def read(self, columns: Sequence[str]) -> Iterator[Row]:
        """Return every row, with at least these columns where the row has them.

        Raises DataError naming the place when something cannot be read.
        """


def cell_text(value: Any) -> str:
    """Return a value as text, the same from every format; empty for what is missing.

    A truth value is `true` or `false`, a whole number its digits, and text is stripped.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def require(columns: Sequence[str], present: Sequence[str], where: str) -> None:
    """Raise DataError when a column is not among those found."""
    for column in columns:
        if column not in present:
            raise DataError(
                f"{where} has no column {column!r}.",
                hint=f"Its columns are: {', '.join(present) or 'none'}.",
            )
