"""Read the rows of a Parquet file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tidemill.data.rows import Row, require
from tidemill.domain.errors import DataError

BATCH = 1024


class ParquetRows:
    """Yield the rows of one file in batches, counted from 1. Fulfils `rows.Rows`."""

    def __init__(self, path: Path, *, name: str = "") -> None:
        self.path = path
        self.name = name or path.name

    def read(self, columns: Sequence[str]) -> Iterator[Row]:
        """Yield only these columns of every row. Raises DataError when one is missing."""
        wanted = list(dict.fromkeys(columns))
        number = 0
        try:
            with pq.ParquetFile(self.path) as file:
                require(wanted, file.schema_arrow.names, self.name)
                for batch in file.iter_batches(batch_size=BATCH, columns=wanted):
                    for values in batch.to_pylist():
                        number += 1
                        yield Row(f"row {number}", values)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.name} cannot be read after row {number}: {error}.") from error
