"""Read the rows of CSV, JSON Lines and Parquet files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tidemill.data.lines import Encoding, LineFault, scan_lines
from tidemill.data.rows import BadRow, Row, require
from tidemill.domain.errors import DataError, UsageError
from tidemill.domain.json_keys import DoubledKey, unique_keys

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
        self.distinct: Sequence[str] = ()
        """Names that the header has once at most."""
        self.name = name or path.name

    def read(self, columns: Sequence[str]) -> Iterator[Row]:
        """Yield every row. Raises DataError, also for a row with a wrong number of fields."""
        for row in self.scan(columns):
            if isinstance(row, BadRow):
                raise row.error
            yield row

    def scan(self, columns: Sequence[str] = ()) -> Iterator[Row | BadRow]:
        """Yield every row, and a BadRow in the place of one that cannot be read.

        A quote without an end makes one BadRow of all lines after it. Raises DataError for a file
        that cannot be read, for a header that is no CSV and for a missing column.
        """
        csv.field_size_limit(max(FIELD_LIMIT, csv.field_size_limit()))
        lines = _LineReader(self.path, self.encoding)
        reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
        names = self.names or self._header(reader, columns)
        lines.raise_fault()
        require(columns, names, self.name)
        while True:
            begins = reader.line_num + 1
            try:
                fields = next(reader, None)
                lines.raise_fault()
                if fields is None:
                    return
                if fields:
                    self._check(fields, names, begins)
                    yield Row(f"line {begins}", dict(zip(names, fields, strict=True)))
            except csv.Error as error:
                fault = DataError(f"{self.name} line {begins} is no CSV: {error}.")
                fault.__cause__ = error
                yield BadRow(f"line {begins}", fault)
            except DataError as error:
                yield BadRow(f"line {begins}", error)

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
        _require_once((*columns, *self.distinct), names, f"{self.name} line 1")
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
        for row in self.scan():
            if isinstance(row, BadRow):
                raise row.error
            yield row

    def scan(self) -> Iterator[Row | BadRow]:
        """Yield all columns of every row, and a BadRow in the place of one that cannot be read.

        Raises DataError for a file that cannot be read.
        """
        lines = _LineReader(self.path, self.encoding)
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                lines.raise_fault()
                yield Row(f"line {number}", self._values(line, number))
            except DataError as error:
                yield BadRow(f"line {number}", error)

    def _values(self, line: str, number: int) -> dict[str, Any]:
        try:
            values = json.loads(line, object_pairs_hook=unique_keys)
        except DoubledKey as error:
            raise DataError(
                f"{self.name} line {number} names the key {error.key!r} twice."
            ) from error
        except (ValueError, RecursionError) as error:
            raise DataError(f"{self.name} line {number} is no JSON: {error}.") from error
        if not isinstance(values, dict):
            raise DataError(
                f"{self.name} line {number} is no JSON object.",
                hint='Each line holds one row: {"COLUMN": VALUE, ...}.',
            )
        return values


class ParquetRows:
    """Yield the rows of one file, counted from 1; `batch` are in memory. Fulfils `rows.Rows`."""

    def __init__(self, path: Path, *, name: str = "", batch: int = BATCH) -> None:
        self.path = path
        self.name = name or path.name
        self.batch = batch
        self.distinct: Sequence[str] = ()
        """Names that one column has at most."""

    def read(self, columns: Sequence[str]) -> Iterator[Row]:
        """Yield only these columns of every row. Raises DataError when one is missing."""
        return self._read(list(dict.fromkeys(columns)))

    def count(self) -> int:
        """Return the number of rows. Raises DataError for a damaged file."""
        try:
            return int(pq.read_metadata(self.path).num_rows)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.name} cannot be read: {error}.") from error

    def scan(self) -> Iterator[Row | BadRow]:
        """Yield all columns of every row. Raises DataError for a damaged file."""
        return self._read(None)

    def _read(self, columns: Sequence[str] | None) -> Iterator[Row]:
        number = 0
        try:
            with pq.ParquetFile(self.path) as file:
                require(columns or (), file.schema_arrow.names, self.name)
                _require_once(
                    (*(columns or ()), *self.distinct), file.schema_arrow.names, self.name
                )
                for batch in file.iter_batches(batch_size=self.batch, columns=columns):
                    for values in batch.to_pylist():
                        number += 1
                        yield Row(f"row {number}", values)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.name} cannot be read after row {number}: {error}.") from error


FileRows = CsvRows | JsonRows | ParquetRows


def _require_once(columns: Sequence[str], names: Sequence[str], where: str) -> None:
    twice = [column for column in columns if names.count(column) > 1]
    if twice:
        raise DataError(f"{where} names the column {twice[0]!r} twice.")


class _LineReader:
    """Iterates over the lines of a file, and remembers the fault of one that has no such encoding.

    Such a line comes as a question mark, so that a reader of CSV can go on after it.
    """

    def __init__(self, path: Path, encoding: Encoding) -> None:
        self._lines = scan_lines(path, encoding)
        self._fault: LineFault | None = None

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            if isinstance(line, LineFault):
                self._fault = self._fault or line
                yield "?\n"
            else:
                yield line

    def raise_fault(self) -> None:
        """Raise the DataError of a line that was read since the last call."""
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault.error


def open_rows(
    path: Path, *, encoding: Encoding = "utf-8", names: tuple[str, ...] = (), name: str = ""
) -> FileRows:
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
