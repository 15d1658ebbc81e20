"""Snapshots on disk: immutable, named by their content, complete or absent.

A snapshot is a folder `<root>/<id>` of Parquet shards and a `manifest.json`. It is staged beside
the others and renamed when all of it is durable, so no reader ever sees an incomplete one.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path

from tidemill import staging
from tidemill.data.canonical import CanonicalRow, snapshot_id
from tidemill.data.manifest import MANIFEST, Manifest, Shard, read_manifest
from tidemill.data.open_snapshot import OpenSnapshot
from tidemill.data.shards import Compression, write_shard
from tidemill.data.spool import Spool, SpoolEntry
from tidemill.domain.errors import DataError, NotFound
from tidemill.domain.types import Example, Snapshot, Split, payload_id

ID = re.compile(r"[0-9a-f]{64}")


class SnapshotStore:
    """The snapshots below one folder, which the first write creates."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(
        self,
        rows: Iterable[Example],
        *,
        recipe: str,
        policy: str,
        parent: str | None,
        at: datetime,
        shard_rows: int = 1024,
        shard_bytes: int = 64 * 2**20,
        compression: Compression = "zstd",
    ) -> Snapshot:
        """Store the rows and return their record; the classes are the labels of the rows, sorted.

        At most one shard of payloads is in memory; a shard is full at `shard_rows` rows or
        `shard_bytes` bytes of payloads. The same rows give the same id, and an existing snapshot is
        returned as it was recorded. Raises DataError for a row without a split, for an id that is
        not its payload's digest, for a held-out row without a label, and for no rows at all. Raises
        StorageFailed for any OSError. Errors of `rows` pass through. A failure leaves nothing
        behind.
        """
        with staging.stage_folder(self.root) as folder:
            with Spool(folder / "spool") as spool:
                _gather(spool, rows)
                id = snapshot_id(row.row for row in spool.rows)
                if (self.root / id).exists():
                    return self.open(id).snapshot
                shards = _write_shards(folder, spool, shard_rows, shard_bytes, compression)
            manifest = Manifest(
                id=id,
                recipe=recipe,
                policy=policy,
                parent=parent,
                at=at,
                rows=len(spool.rows),
                splits=dict(Counter(str(row.split) for row in spool.rows)),
                classes=_labels(spool.rows),
                shards=shards,
            )
            spool.path.unlink()
            (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", "utf-8")
            staging.publish_folder(folder, id)
        return self.open(id).snapshot

    def known(self, rows: Iterable[CanonicalRow]) -> Snapshot | None:
        """Return the record of the snapshot with exactly these rows; None when there is none.

        Raises Corrupt when it exists and its manifest is invalid.
        """
        id = snapshot_id(rows)
        return self.open(id).snapshot if (self.root / id).exists() else None

    def open(self, id: str) -> OpenSnapshot:
        """Return an opened snapshot. Raises NotFound, or Corrupt when its manifest is invalid."""
        folder = self.root / id
        if not ID.fullmatch(id) or not folder.is_dir():
            raise NotFound(
                f"There is no snapshot {id[:64]!r}.", hint="`tidemill data list` shows what is."
            )
        return OpenSnapshot(folder, read_manifest(folder))

    def list(self) -> tuple[str, ...]:
        """Return the ids of all complete snapshots, sorted."""
        if not self.root.is_dir():
            return ()
        return tuple(sorted(path.name for path in self.root.iterdir() if ID.fullmatch(path.name)))


def _gather(spool: Spool, rows: Iterable[Example]) -> None:
    for example in rows:
        spool.append(example, _sound(example))
    if not spool.rows:
        raise DataError("A snapshot needs at least one example.")
    spool.rows.sort(key=SpoolEntry.place)


def _sound(example: Example) -> Split:
    if example.split is None:
        raise DataError(f"{example.origin} has no split.")
    if payload_id(example.payload) != example.id:
        raise DataError(f"The id of {example.origin} is not the digest of its payload.")
    if not example.labels and example.split != "train":
        raise DataError(f"{example.origin} is held out in {example.split} and has no label.")
    return example.split


def _write_shards(
    folder: Path, spool: Spool, shard_rows: int, shard_bytes: int, compression: Compression
) -> tuple[Shard, ...]:
    shards: list[Shard] = []
    for split, batch in _batches(spool.rows, shard_rows, shard_bytes):
        name = f"{split}-{sum(shard.split == split for shard in shards):05d}.parquet"
        digest = write_shard(folder / name, [spool.read(row) for row in batch], compression)
        shards.append(Shard(file=name, split=split, rows=len(batch), sha256=digest))
    return tuple(shards)


def _batches(
    rows: Sequence[SpoolEntry], shard_rows: int, shard_bytes: int
) -> Iterator[tuple[Split, Sequence[SpoolEntry]]]:
    """Yield batches of the sorted rows; a batch ends with its split or when a shard is full."""
    for split, members in groupby(rows, key=lambda row: row.split):
        batch: list[SpoolEntry] = []
        size = 0
        for row in members:
            if batch and (len(batch) >= shard_rows or size + row.length > shard_bytes):
                yield split, batch
                batch, size = [], 0
            batch.append(row)
            size += row.length
        yield split, batch


def _labels(rows: Sequence[SpoolEntry]) -> dict[str, tuple[str, ...]]:
    names: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        for target, label in row.row.labels:
            names[target].add(label)
    return {target: tuple(sorted(names[target])) for target in sorted(names)}
