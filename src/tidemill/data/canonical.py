"""The content that a snapshot's id is a digest of: its rows, not its files.

Each row is the compact JSON `[example id, labels, split, source]`, the labels an object with
sorted keys, followed by a newline, in UTF-8. Rows are sorted by (id, split, labels, source), so
the id is the same however the rows are ordered, sharded or compressed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import NamedTuple

from tidemill.domain.types import Example, Labels, Split


class CanonicalRow(NamedTuple):
    """One row, with its fields in sorting order."""

    id: str
    split: str
    labels: tuple[tuple[str, str], ...]
    source: str

    def line(self) -> str:
        """Return the row as its line of JSON, without the newline."""
        fields = [self.id, dict(self.labels), self.split, self.source]
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def canonical(id: str, split: Split | None, labels: Labels, source: str) -> CanonicalRow:
    """Return the row of an example with these properties; a missing split is empty."""
    return CanonicalRow(id, split or "", tuple(sorted(labels.items())), source)


def canonical_row(example: Example) -> CanonicalRow:
    """Return the part of an example that a snapshot's id depends on."""
    return canonical(example.id, example.split, example.labels, example.source)


def snapshot_id(rows: Iterable[CanonicalRow]) -> str:
    """Return the sha256 of the rows' lines, in hex; the order of `rows` does not matter."""
    digest = hashlib.sha256()
    for row in sorted(rows):
        digest.update(f"{row.line()}\n".encode())
    return digest.hexdigest()
