"""Build the payload of an example from the values of a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from tidemill.codecs.columns import Cell, row_to_json
from tidemill.data.rows import cell_text, read_number
from tidemill.domain.errors import DataError


class PayloadColumns(Protocol):
    """Builds the payload from some of the columns."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""

    def payload(self, values: Mapping[str, Any]) -> bytes | None:
        """Return the payload, or None for an empty one. Raises DataError for invalid values."""


@dataclass(frozen=True)
class TextColumn:
    """A column of texts. The payload is the unchanged text in UTF-8."""

    column: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def payload(self, values: Mapping[str, Any]) -> bytes | None:
        value = values.get(self.column)
        if not cell_text(value):
            return None
        if not isinstance(value, str):
            raise DataError(f"the column {self.column!r} holds no text but {value!r}")
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"the text in {self.column!r} holds half a character") from error


@dataclass(frozen=True)
class CellColumns:
    """Columns of a table. The payload is the row's canonical JSON without missing cells.

    Values in the columns `numbers` are read as numbers, also from text. Values in `words` stay
    text.
    """

    numbers: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.numbers, *self.words)

    def payload(self, values: Mapping[str, Any]) -> bytes | None:
        cells: dict[str, Cell] = {}
        for column in self.columns:
            text = cell_text(values.get(column))
            if text:
                cells[column] = read_number(float, column, text) if column in self.numbers else text
        return row_to_json(cells) if cells else None
