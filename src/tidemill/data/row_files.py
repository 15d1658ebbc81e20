"""Read the rows of CSV, JSON Lines and Parquet files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tidemill.data.lines import Encoding, read_lines
from tidemill.data.rows import Row, Rows, require
from tidemill.domain.errors import DataError, UsageError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")

FIELD_LIMIT = 2**24
"""The longest field in characters. An unclosed quote must not take all memory."""

BATCH = 1024
"""Rows of a Parquet file that are held at once."""


class CsvRows:
    """Yield the rows of one file, one at a time; every value is text. Fulfils `rows.Rows`.

    The first line names the columns, unless `names` does, in the file's order. Quoted fields may
    contain newlines. Empty lines are skipped. A row is named by its first line, after `name`, which
    defaults to the file's name.
    """

    def __init__(
        self,
        path: Path,
        encoding: Encoding = "utf-8",
        *,
        names: Sequence[str] = (),
        delimiter: str = ",",
        name: str = "",
    ) -> None:
        self.path = path
        self.encoding = encoding
        self.names = tuple(names)
        self.delimiter = delimiter
        self.name = name or path.name

    def read(self, columns: Sequence[str]) -> Iterator[Row]:
        """Yield every row. Raises DataError, also for a row with a wrong number of fields."""
        csv.field_size_limit(max(FIELD_LIMIT, csv.field_size_limit()))
        lines = read_lines(self.path, self.encoding)
        reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
        names = self.names or self._header(reader, columns)
        require(columns, names, self.name)
        begins = reader.line_num + 1
        try:
            for fields in reader:
                if fields:
                    self._check(fields, names, begins)
                    yield Row(f"line {begins}", dict(zip(names, fields, strict=True)))
                begins = reader.line_num + 1
        except csv.Error as error:
            raise DataError(f"{self.name} line {begins} is no CSV: {error}.") from error

    def _header(self, reader: Iterator[list[str]], columns: Sequence[str]) -> tuple[str, ...]:
        try:
            names = tuple(name.strip() for name in next(reader, []))
        except csv.Error as error:
            raise DataError(f"{self.name} line 1 is no CSV: {error}.") from error
        if not names:
            raise DataError(
                f"{self.name} is empty, or begins with an empty line.",
                hint="The first line names the columns.",
            )
        twice = [column for column in columns if names.count(column) > 1]
        if twice:
            raise DataError(f"{self.name} line 1 names the column {twice[0]!r} twice.")
        return names

    def _check(self, fields: Sequence[str], names: Sequence[str], line: int) -> None:
        if len(fields) != len(names):
            raise DataError(
                f"{self.name} line {line} has {len(fields)} fields where {len(names)} are named.",
                hint="Put a field with a comma or a newline in it into quotes.",
            )


class JsonRows:
    """Yield the rows of one file, one object per line, skipping empty lines.

    Fulfils `rows.Rows`. A row may lack columns.
    """

    def __init__(self, path: Path, encoding: Encoding = "utf-8", *, name: str = "") -> None:
        self.path = path
        self.encoding = encoding
        self.name = name or path.name

    def read(self, columns: Sequence[str]) -> Iterator[Row]:
        """Yield all columns of every row. Raises DataError for a line that holds no JSON object."""
        for number, line in enumerate(read_lines(self.path, self.encoding), start=1):
            if not line.strip():
                continue
            try:
                values = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{self.name} line {number} is no JSON: {error}.") from error
            if not isinstance(values, dict):
                raise DataError(
                    f"{self.name} line {number} is no JSON object.",
                    hint='Each line holds one row: {"COLUMN": VALUE, ...}.',
                )
            yield Row(f"line {number}", values)


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
