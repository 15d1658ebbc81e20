"""What taking a snapshot costs does not grow with the images that it takes."""

from __future__ import annotations

import gc
import tracemalloc
import zipfile
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidemill.codecs.codec import Fingerprint
from tidemill.data.archive import ArchiveSource
from tidemill.data.image_rows import image_source
from tidemill.data.snapshot_import import import_snapshot
from tidemill.data.snapshots import SnapshotStore
from tidemill.domain.ports import Source
from tidemill.domain.types import Example, Snapshot, payload_id

SIZE = 60_000
PER_ROW = 4_000
"""Bytes of bookkeeping that a row may cost: names, digests, its line of the inspection."""


class SmallShards(SnapshotStore):
    """A store whose shards are full early, so that a small source has many."""

    def write(self, rows: Iterable[Example], **choices: Any) -> Snapshot:
        return super().write(rows, shard_bytes=10 * SIZE, **choices)


class Watched:
    """Fingerprints of payloads that are alike only when they are the same; looks at the memory."""

    def __init__(self) -> None:
        self.arrow = 0

    def fingerprint(self, payload: bytes) -> Fingerprint:
        self.arrow = max(self.arrow, pa.total_allocated_bytes())
        digest = payload_id(payload)
        return Fingerprint(digest, int(digest[:16], 16))


def images(count: int) -> Iterator[tuple[str, bytes]]:
    random = np.random.default_rng(0)
    for at in range(count):
        yield "ab"[at % 2], random.bytes(SIZE)


def zipped(path: Path, count: int) -> Source:
    with zipfile.ZipFile(path, "w") as archive:
        for at, (label, image) in enumerate(images(count)):
            archive.writestr(f"{label}/{at}.jpg", image)
    return ArchiveSource(path, "kind")


def filed(path: Path, count: int) -> Source:
    labels, rows = zip(*images(count), strict=True)
    table = pa.table({"image": pa.array(rows, pa.binary()), "label": labels})
    pq.write_table(table, path, compression="none", use_dictionary=["label"])
    return image_source("rows", {"train": [path]}, "kind")


@pytest.mark.parametrize("make", [zipped, filed])
def test_four_times_the_images_need_no_more_memory(
    tmp_path: Path, at: datetime, make: Callable[[Path, int], Source]
) -> None:
    peaks = []
    for count in (60, 240):
        source, codec = make(tmp_path / f"{count}", count), Watched()
        gc.collect()
        before = pa.total_allocated_bytes()
        tracemalloc.start()
        try:
            taken = import_snapshot(
                source,
                codec,
                SmallShards(tmp_path / f"snapshots-{count}"),
                recipe="leaves",
                policy="stop",
                near_distance=0,
                minimum_per_class=1,
                at=at,
            )
            python = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert taken.snapshot.rows == count
        peaks.append(python + codec.arrow - before)
    assert peaks[1] < 1.3 * peaks[0] + 180 * PER_ROW
    assert peaks[1] < 240 * SIZE / 3
