"""Read one snapshot."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from tidemill.data.canonical import CanonicalRow, canonical_row, snapshot_id
from tidemill.data.manifest import Manifest, Shard
from tidemill.data.shards import file_digest, read_shard
from tidemill.domain.errors import Corrupt
from tidemill.domain.types import Example, Labels, Snapshot, Split, payload_id


class OpenSnapshot:
    """The rows of one snapshot. Reading trusts the files; `verify` does not."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self.snapshot: Snapshot = manifest.snapshot()

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        """The classes of each target, in the order of the logits."""
        return self.snapshot.classes

    def count(self, split: Split | None = None) -> int:
        """Return the number of rows, in all or in one split."""
        return self.snapshot.rows if split is None else self.snapshot.splits.get(split, 0)

    def rows(self, split: Split | None = None, *, payloads: bool = True) -> Iterator[Example]:
        """Yield every row, or those of one split, always in the same order: by split, then
        canonical.

        Without payloads each example's payload is empty, and none is read from disk. Raises
        Corrupt when a shard cannot be read.
        """
        for shard in self.manifest.shards:
            if split in (None, shard.split):
                yield from read_shard(self.folder / shard.file, payloads=payloads)

    def labels_of(self, ids: Collection[str]) -> dict[str, list[Labels]]:
        """Return every labelling of the examples with these ids, in one pass that reads no payload.

        An id without a row is missing. An id whose rows disagree (policy `keep`) has several
        labellings. Raises Corrupt.
        """
        labels: dict[str, list[Labels]] = {}
        for row in self.rows(payloads=False):
            if row.id in ids and row.labels not in labels.setdefault(row.id, []):
                labels[row.id].append(row.labels)
        return labels

    def verify(self) -> None:
        """Read everything again and recompute every digest, the snapshot's id last.

        Raises Corrupt with the shard that does not match, and with the row where it is known.
        """
        rows: list[CanonicalRow] = []
        for shard in self.manifest.shards:
            self._verify_shard(shard, rows)
        if snapshot_id(rows) != self.snapshot.id:
            raise Corrupt(f"The rows of snapshot {self.snapshot.id[:12]} are not those it names.")
        classes = {target: set(labels) for target, labels in self.classes.items()}
        present: dict[str, set[str]] = {}
        for target, label in {item for row in rows for item in row.labels}:
            present.setdefault(target, set()).add(label)
        if present != classes:
            raise Corrupt(f"Snapshot {self.snapshot.id[:12]} names labels that it does not hold.")

    def _verify_shard(self, shard: Shard, rows: list[CanonicalRow]) -> None:
        path = self.folder / shard.file
        before = len(rows)
        for number, example in enumerate(read_shard(path), start=1):
            if payload_id(example.payload) != example.id:
                raise Corrupt(f"Row {number} of {shard.file} does not match its id {example.id}.")
            if example.split != shard.split:
                raise Corrupt(f"Row {number} of {shard.file} is in {example.split}.")
            rows.append(canonical_row(example))
        if len(rows) - before != shard.rows:
            raise Corrupt(f"{shard.file} has {len(rows) - before} rows, not {shard.rows}.")
        if file_digest(path) != shard.sha256:
            raise Corrupt(f"The shard {shard.file} does not match its digest.")
