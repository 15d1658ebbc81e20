"""Choose a reader by the suffix of a file."""

from __future__ import annotations

from pathlib import Path

from tidemill.data.csv_rows import CsvRows
from tidemill.data.json_rows import JsonRows
from tidemill.data.lines import Encoding
from tidemill.data.parquet_rows import ParquetRows
from tidemill.data.rows import Rows
from tidemill.domain.errors import DataError, UsageError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


def open_rows(
    path: Path, *, encoding: Encoding = "utf-8", names: tuple[str, ...] = (), name: str = ""
) -> Rows:
    """Return the rows of a file whose name ends in one of SUFFIXES, in upper or lower case.

    `names` are the columns of a CSV file without a header. Raises DataError for another suffix, and
    UsageError for names or an encoding that the format does not allow.
    """
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return CsvRows(
            path, encoding, names=names, delimiter="\t" if suffix == ".tsv" else ",", name=name
        )
    if names:
        raise UsageError(f"{path.name} names its columns itself.", hint="Leave their names out.")
    if suffix in (".jsonl", ".ndjson"):
        return JsonRows(path, encoding, name=name)
    if suffix != ".parquet":
        raise DataError(f"{path.name} is no file of rows.", hint=f"Use {', '.join(SUFFIXES)}.")
    if encoding != "utf-8":
        raise UsageError(f"{path.name} is Parquet, which is always UTF-8.")
    return ParquetRows(path, name=name)
