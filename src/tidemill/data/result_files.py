"""Write the results of a batch as Parquet, CSV or JSON Lines, a few rows in memory at a time."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from tidemill.domain.errors import DataError, UsageError
from tidemill.domain.types import Answer

GROUP = 1024
"""Rows of a row group of Parquet, which are in memory together."""

EXACT = 2**53
"""A float holds every whole number up to this one."""

Result = Mapping[str, Any]
"""One row of the results: column to value."""


@dataclass(frozen=True)
class ResultColumns:
    """The columns of the results: `extras` are repeated from the input.

    Each target has three: its label, its confidence and its probabilities. `items` is True where a
    payload has many items; each has a row of its own.
    """

    extras: tuple[str, ...]
    targets: tuple[str, ...]
    items: bool

    def require_distinct(self) -> None:
        """Raise UsageError when a repeated column has the name of one of the results' own."""
        own = [name for name, _ in self._own()]
        for name in self.extras:
            if name in own:
                raise UsageError(
                    f"The column {name!r} cannot be repeated: the results have one of that name.",
                    hint=f"The results have the columns {', '.join(own)}.",
                )

    def rows(
        self,
        source: str,
        extras: Mapping[str, Any],
        id: str,
        version: str,
        answers: Sequence[Answer],
        remarks: Sequence[str],
    ) -> Iterator[Result]:
        """Yield the rows of one prediction, one for each item."""
        by_item: dict[str, list[Answer]] = {}
        for answer in answers:
            by_item.setdefault(answer.item, []).append(answer)
        for item, group in by_item.items():
            row = {"input": source, **extras, "prediction_id": id, "model_version": version}
            if self.items:
                row["item"] = item
            for answer in group:
                row[f"{answer.target}_label"] = answer.label
                row[f"{answer.target}_confidence"] = answer.confidence
                row[f"{answer.target}_probabilities"] = dict(answer.probabilities)
            yield row | {"remarks": list(remarks)}

    def schema(self, types: Mapping[str, pa.DataType]) -> pa.Schema:
        """Return the schema of a Parquet file; `types` are those of the repeated columns."""
        (first, *rest) = self._own()
        extras = [(name, types[name]) for name in self.extras]
        return pa.schema([first, *extras, *rest])

    def names(self) -> list[str]:
        """Return the names of all columns, in order."""
        (first, *rest) = [name for name, _ in self._own()]
        return [first, *self.extras, *rest]

    def _own(self) -> list[tuple[str, pa.DataType]]:
        text, number = pa.string(), pa.float64()
        columns = [("input", text), ("prediction_id", text), ("model_version", text)]
        if self.items:
            columns.append(("item", text))
        for target in self.targets:
            columns += [
                (f"{target}_label", text),
                (f"{target}_confidence", number),
                (f"{target}_probabilities", pa.map_(text, number)),
            ]
        return [*columns, ("remarks", pa.list_(text))]


class ExtraTypes:
    """The Arrow type of each repeated column, after every value was seen once."""

    def __init__(self, names: Iterable[str]) -> None:
        self._kinds: dict[str, set[type]] = {name: set() for name in names}
        self._bounds: dict[str, tuple[int, int]] = dict.fromkeys(self._kinds, (0, 0))

    def add(self, extras: Mapping[str, Any]) -> None:
        """Look at the values of one row."""
        for name, kinds in self._kinds.items():
            value = extras.get(name)
            kinds.add(type(value))
            if isinstance(value, int):
                least, most = self._bounds[name]
                self._bounds[name] = min(least, value), max(most, value)

    def types(self) -> dict[str, pa.DataType]:
        """Return truth values, whole numbers and numbers as such, and everything else as text."""
        return {
            name: _arrow_type(kinds - {type(None)}, *self._bounds[name])
            for name, kinds in self._kinds.items()
        }


WriteResults = Callable[[Path, Iterable[Result], ResultColumns, Mapping[str, pa.DataType]], None]


def _write_json_lines(
    path: Path, rows: Iterable[Result], columns: ResultColumns, types: Mapping[str, pa.DataType]
) -> None:
    with path.open("wb") as file:
        for row in rows:
            file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))


def _write_csv(
    path: Path, rows: Iterable[Result], columns: ResultColumns, types: Mapping[str, pa.DataType]
) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns.names())
        for row in rows:
            writer.writerow([_cell(row.get(name)) for name in columns.names()])


def _write_parquet(
    path: Path, rows: Iterable[Result], columns: ResultColumns, types: Mapping[str, pa.DataType]
) -> None:
    schema = columns.schema(types)
    texts = [name for name in columns.extras if types[name] == pa.string()]
    remaining = iter(rows)
    try:
        with pq.ParquetWriter(path, schema) as writer:
            while group := [_to_arrow(row, texts) for row in islice(remaining, GROUP)]:
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
    except pa.ArrowException as error:
        raise DataError(
            f"The results do not fit Parquet: {error}.",
            hint="Write .jsonl or .csv, or repeat fewer columns.",
        ) from error


_WRITERS: dict[str, WriteResults] = {
    ".parquet": _write_parquet,
    ".csv": _write_csv,
    ".jsonl": _write_json_lines,
    ".ndjson": _write_json_lines,
}


def result_writer(path: Path) -> WriteResults:
    """Return the writer of the format that the suffix names. Raises UsageError for another one."""
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise UsageError(
            f"{path.name} is no file of results.",
            hint=f"Let its name end in {', '.join(_WRITERS)}.",
        )
    return writer


def _arrow_type(kinds: set[type], least: int, most: int) -> pa.DataType:
    """Return the type that holds every value exactly; text where no number does."""
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int} and least >= -(2**63) and most < 2**63:
        return pa.int64()
    if kinds == {int} and least >= 0 and most < 2**64:
        return pa.uint64()
    if float in kinds and kinds <= {int, float} and least >= -EXACT and most <= EXACT:
        return pa.float64()
    return pa.string()


def _to_arrow(row: Result, texts: Sequence[str]) -> Result:
    return {
        **row,
        **{
            name: list(value.items())
            for name, value in row.items()
            if name.endswith("_probabilities") and isinstance(value, dict) and name not in texts
        },
        **{name: _text(row[name]) for name in texts},
    }


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _cell(value: Any) -> Any:
    """Return a value as a cell of CSV: remarks as sentences, what has parts as JSON."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return " ".join(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | bool) else value
