"""One table of numbered labels in three formats. Are its classes the same in all of them?

Most programs write a column of whole numbers in which one is missing as 1.0 and 0.0.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.cases.data_commands import class_names, take_snapshot
from tests.cases.rows import numbered_texts
from tests.cases.verdict import falls_short, require

ROWS: list[dict[str, Any]] = [
    {"text": text, "label": float(at % 2)} for at, text in enumerate(numbered_texts(200))
]


def write_lines(path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")


def write_table(path: Path) -> None:
    lines = "".join(f"{row['text']},{row['label']}\n" for row in ROWS)
    path.write_text("text,label\n" + lines, "utf-8")


def write_parquet(path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), path)


FORMATS: dict[str, Callable[[Path], None]] = {
    "csv": write_table,
    "jsonl": write_lines,
    "parquet": write_parquet,
}


@falls_short("everyday", "labels 1.0 and 0.0 in CSV are other classes than in the other formats")
def test_numbered_labels_are_the_same_classes_in_every_format(tmp_path: Path) -> None:
    classes = {}
    for name, write in FORMATS.items():
        write(path := tmp_path / f"rows.{name}")
        home = tmp_path / name
        assert not take_snapshot("sentiment", "files", path, home=home).error
        classes[name] = class_names(home, "sentiment")
    require(
        len({tuple(names) for names in classes.values()}) == 1,
        "the classes are "
        + ", ".join(f"{' and '.join(names)} from {name}" for name, names in classes.items()),
    )
