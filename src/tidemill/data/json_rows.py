"""Read the rows of a JSON Lines file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from tidemill.data.lines import Encoding, read_lines
from tidemill.data.rows import Row
from tidemill.domain.errors import DataError


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
