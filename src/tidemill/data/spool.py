"""Store payloads in one file until all rows are known, to write them in canonical order."""

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
        """Return the sorting key of the row in a snapshot: by split, then canonical."""
        return SPLITS.index(self.split), self.row, self.origin


class Spool:
    """Append examples in any order, then read them in a snapshot's order.

    A source has its own order and a snapshot has the canonical order, because every training on the
    same rows must read them in the same order. Only the rows' short texts are in memory. Raises
    OSError when the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[SpoolEntry] = []
        self._end = 0
        # Unbuffered, so that the append that fails reports the error, and not the close.
        self._file = path.open("wb", buffering=0)
        self._reader = path.open("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._reader.close()

    def append(self, example: Example, split: Split) -> None:
        """Append one example."""
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
        """Return an example that was appended."""
        self._reader.seek(spooled.offset)
        return Example(
            id=spooled.row.id,
            payload=self._reader.read(spooled.length),
            labels=dict(spooled.row.labels),
            source=spooled.row.source,
            origin=spooled.origin,
            split=spooled.split,
        )
