"""Read the payloads of a batch from files: payloads themselves, rows, lines, or lists in JSON."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidemill.codecs.codec import Payload
from tidemill.codecs.payload_like import PayloadLike, find_files
from tidemill.data.lines import LineFault, scan_lines
from tidemill.data.row_files import SUFFIXES, FileRows, JsonRows, ParquetRows, open_rows
from tidemill.data.rows import BadRow, Row
from tidemill.domain.errors import DataError, TidemillError, UsageError
from tidemill.domain.json_keys import DoubledKey, unique_keys

MAX_JSON_BYTES = 64 << 20
"""A larger JSON file is refused: unlike JSON Lines, it is in memory as a whole."""
PARQUET_ROWS = 64
"""Rows of a Parquet file in memory; a column may hold images."""


@dataclass(frozen=True, slots=True)
class InputRow:
    """One payload of a batch. `source` names its file and place.

    `extras` are the columns that the result repeats. A row that cannot be read has an error.
    """

    source: str
    value: PayloadLike | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)
    cells: bool = False
    error: TidemillError | None = None


class PayloadFiles:
    """The payloads of files, folders and globs, always in the same order.

    A CSV, TSV, JSON Lines or Parquet file has a payload in each row, and a list in a JSON file has
    one in each element. With `lines`, a text file has one in each line. Every other file is a
    payload. `column` names the column with the payload: a text, or else the name of a file beside
    the file of rows. Without it, the columns of a row are the fields of the payload.
    """

    def __init__(
        self,
        form: type[Payload],
        paths: Sequence[str | os.PathLike[str]],
        *,
        column: str = "",
        extras: Sequence[str] = (),
        lines: bool = False,
        outputs: Sequence[Path] = (),
    ) -> None:
        """Find the files, without the `outputs`.

        Raises DataError for a path that names no file, and UsageError for one that names an output.
        """
        self.form = form
        self.column = column
        self.extras = tuple(dict.fromkeys(extras))
        self.lines = lines
        self.files = find_files(form, paths, outputs=outputs)

    def digest(self) -> str:
        """Return a digest of the files' names, sizes and times, and of how they are read."""
        digest = hashlib.sha256(repr((self.column, self.extras, self.lines)).encode())
        for file in self.files:
            stat = _stat(file)
            digest.update(repr((str(file), stat.st_size, stat.st_mtime_ns)).encode())
        return digest.hexdigest()

    def count(self) -> int:
        """Return about how many payloads there are, for a progress bar: lines count as rows."""
        return sum(self._count(file) for file in self.files)

    def rows(self, skip: int = 0) -> Iterator[InputRow]:
        """Yield every payload after the first `skip`.

        Raises DataError for a file of rows that cannot be read, and UsageError where its columns
        do not fit.
        """
        for file in self.files:
            for row in self._read(file):
                if skip:
                    skip -= 1
                else:
                    yield row

    def _read(self, file: Path) -> Iterable[InputRow]:
        suffix = file.suffix.lower()
        if self._has_rows(suffix):
            return self._rows(file)
        if suffix == ".json":
            return self._json(file)
        if self.lines and suffix == ".txt":
            return _lines(file)
        return [InputRow(str(file), file)]

    def _rows(self, file: Path) -> Iterator[InputRow]:
        rows: FileRows = open_rows(file)
        if isinstance(rows, ParquetRows):
            rows.batch = PARQUET_ROWS
        if not isinstance(rows, JsonRows):
            own = [self.column] if self.column else list(self.form.cells())
            rows.distinct = (*own, *self.extras)
        fits = False
        for row in rows.scan():
            source = f"{file} {row.place}"
            if isinstance(row, BadRow):
                yield InputRow(source, error=row.error)
                continue
            if not fits:
                self._require_columns(file, row)
                fits = True
            yield self._row(file, source, row.values)

    def _row(self, file: Path, source: str, values: Mapping[str, Any]) -> InputRow:
        extras = {name: values.get(name) for name in self.extras}
        if not self.column:
            cells = self.form.cells()
            own = {name: v for name, v in values.items() if name in cells or name not in extras}
            return InputRow(source, own, extras, cells=True)
        value = values.get(self.column)
        if isinstance(value, Mapping) and isinstance(value.get("bytes"), bytes):
            value = value["bytes"]  # an image in the Parquet files of the Hugging Face hub
        if value is None or value == "":
            error = DataError(f"There is nothing in the column {self.column!r}.")
            return InputRow(source, extras=extras, error=error)
        if isinstance(value, str) and not self.form.takes_text:
            value = file.parent / value
        return InputRow(source, value, extras)

    def _require_columns(self, file: Path, row: Row) -> None:
        """Raise UsageError when the first row shows that the columns were meant otherwise."""
        listed = ", ".join(map(repr, row.values))
        for name in filter(None, (self.column, *self.extras)):
            if name not in row.values:
                raise UsageError(f"{file} has no column {name!r}.", hint=f"It has: {listed}.")
        if self.column:
            return
        cells = self.form.cells()
        if not any(name in row.values for name in cells):
            raise UsageError(
                f"{file} has none of the columns of a payload: {', '.join(cells)}.",
                hint=f"Name the column with the payload (--column). There are: {listed}.",
            )
        strict = self.form.model_config.get("extra") == "forbid"
        others = [name for name in row.values if name not in (*cells, *self.extras)]
        if strict and others:
            raise UsageError(
                f"{file} has columns that are no part of a payload: {', '.join(others)}.",
                hint=f"Repeat them in the result: {' '.join(f'--keep {each}' for each in others)}.",
            )

    def _json(self, file: Path) -> Iterator[InputRow]:
        if _stat(file).st_size > MAX_JSON_BYTES:
            error = DataError(
                f"{file} has more than {MAX_JSON_BYTES >> 20} MiB.",
                hint="Write one payload in each line of a .jsonl file, which is read line by line.",
            )
            yield InputRow(str(file), error=error)
            return
        try:
            values = json.loads(file.read_bytes(), object_pairs_hook=unique_keys)
        except DoubledKey as error:
            yield InputRow(str(file), error=DataError(f"{file} names the key {error.key!r} twice."))
            return
        except (ValueError, RecursionError, OSError) as error:
            yield InputRow(str(file), error=DataError(f"{file} is no JSON: {error}."))
            return
        if isinstance(values, list):
            for number, value in enumerate(values, start=1):
                if isinstance(value, str) and not self.form.takes_text:
                    value = file.parent / value  # noqa: PLW2901 - the name of a file
                yield InputRow(f"{file} item {number}", value)
        else:
            own = ".json" in self.form.suffixes
            yield InputRow(str(file), file if own else values)

    def _has_rows(self, suffix: str) -> bool:
        return suffix in SUFFIXES and suffix not in self.form.suffixes

    def _count(self, file: Path) -> int:
        suffix = file.suffix.lower()
        if suffix == ".parquet" and self._has_rows(suffix):
            return ParquetRows(file).count()
        if not (self._has_rows(suffix) or (self.lines and suffix == ".txt")):
            return 1
        try:
            with file.open("rb") as content:
                return sum(block.count(b"\n") for block in iter(lambda: content.read(1 << 20), b""))
        except OSError as error:
            raise DataError(f"{file} cannot be read: {error.strerror}.") from error


def _lines(file: Path) -> Iterator[InputRow]:
    for number, line in enumerate(scan_lines(file, "utf-8"), start=1):
        source = f"{file} line {number}"
        if isinstance(line, LineFault):
            yield InputRow(source, error=line.error)
        else:
            yield InputRow(source, line.rstrip("\r\n").encode())


def _stat(file: Path) -> os.stat_result:
    try:
        return file.stat()
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}.") from error
