"""Read and write one Parquet file of a snapshot's examples."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from tidemill.domain.errors import Corrupt
from tidemill.domain.types import Example

Compression = Literal["zstd", "snappy", "none"]
BATCH = 256
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("payload", pa.binary(), nullable=False),
        pa.field("labels", pa.map_(pa.string(), pa.string()), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("origin", pa.string(), nullable=False),
    ]
)


def write_shard(path: Path, examples: Sequence[Example], compression: Compression) -> str:
    """Write the examples durably and return the file's sha256. Raises OSError."""
    rows = [
        {
            "id": example.id,
            "payload": example.payload,
            "labels": sorted(example.labels.items()),
            "split": example.split,
            "source": example.source,
            "origin": example.origin,
        }
        for example in examples
    ]
    with path.open("wb") as file:
        # Payloads are mostly compressed and do not repeat, so they get no dictionary.
        pq.write_table(
            pa.Table.from_pylist(rows, schema=SCHEMA),
            file,
            compression=compression,
            use_dictionary=["split", "source"],
        )
    return file_digest(path)


def file_digest(path: Path) -> str:
    """Return the sha256 of a file, in hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_shard(path: Path, *, payloads: bool = True) -> Iterator[Example]:
    """Yield the examples in the order of writing; without `payloads` each payload is empty.

    Raises Corrupt when the file is not a readable shard.
    """
    columns = [name for name in SCHEMA.names if payloads or name != "payload"]
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=BATCH, columns=columns):
                for row in batch.to_pylist():
                    yield _example(row)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise Corrupt(f"The shard {path.name} cannot be read: {error}.") from error


def _example(row: dict[str, Any]) -> Example:
    return Example(
        id=row["id"],
        payload=row.get("payload", b""),
        labels=dict(row["labels"]),
        source=row["source"],
        origin=row["origin"],
        split=row["split"],
    )
