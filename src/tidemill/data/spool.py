"""Payloads parked in one file until every row is known, so that they can be written in order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tidemill.data.canonical import CanonicalRow, canonical_row
from tidemill.domain.types import SPLITS, Example, Split


@dataclass(frozen=True, slots=True)
class SpoolEntry:
    """A row whose payload lies in the spool."""

    row: CanonicalRow
    split: Split
    origin: str
    offset: int
    length: int

    def place(self) -> tuple[int, CanonicalRow, str]:
        """Return where the row stands in a snapshot: by split, then in canonical order."""
        return SPLITS.index(self.split), self.row, self.origin


class Spool:
    """Append examples in any order, then read them back in a snapshot's order.

    A source comes in its own order and a snapshot is kept in canonical order, because whoever
    trains from the same rows must meet them in the same order. Only the rows' short texts are
    held in memory. Raises OSError when the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[SpoolEntry] = []
        self._end = 0
        # Unbuffered: a failed write is reported by the append that caused it, not by close.
        self._file = path.open("wb", buffering=0)
        self._reader = path.open("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._reader.close()

    def append(self, example: Example, split: Split) -> None:
        """Park one example."""
        rest = memoryview(example.payload)
        while rest:
            rest = rest[self._file.write(rest) :]
        self.rows.append(
            SpoolEntry(
                canonical_row(example), split, example.origin, self._end, len(example.payload)
            )
        )
        self._end += len(example.payload)

    def read(self, spooled: SpoolEntry) -> Example:
        """Return the example that was parked."""
        self._reader.seek(spooled.offset)
        return Example(
            id=spooled.row.id,
            payload=self._reader.read(spooled.length),
            labels=dict(spooled.row.labels),
            source=spooled.row.source,
            origin=spooled.origin,
            split=spooled.split,
        )
