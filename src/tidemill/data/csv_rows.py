"""Read the rows of a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from tidemill.data.lines import Encoding, read_lines
from tidemill.data.rows import Row, require
from tidemill.domain.errors import DataError

FIELD_LIMIT = 2**24
"""The longest field in characters. An unclosed quote must not take all memory."""


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
