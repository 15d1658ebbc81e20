"""Labels are lists, as Parquet and JSON Lines keep them. What becomes of a list of one word?

A list must be refused with the name of its column, or the one word in it must be the label. The
text of the list is never a class.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.cases.data_commands import class_names, take_snapshot
from tests.cases.rows import numbered_texts
from tests.cases.verdict import falls_short, require

NAMES = ["negative", "positive"]
ROWS: list[dict[str, Any]] = [
    {"text": text, "label": [NAMES[at % 2]]} for at, text in enumerate(numbered_texts(200))
]


def outcome(file: Path, home: Path) -> list[str]:
    """What stands for the labels of a file: its classes, or the refusal."""
    taken = take_snapshot("sentiment", "files", file, home=home)
    return [str(taken.error["message"])] if taken.error else class_names(home, "sentiment")


@falls_short("data", "the text of a list is a class: ['negative'] and ['positive']")
def test_a_list_of_one_label_is_that_label_or_refused(tmp_path: Path) -> None:
    files = {name: tmp_path / f"rows.{name}" for name in ("parquet", "jsonl")}
    pq.write_table(pa.Table.from_pylist(ROWS), files["parquet"])
    files["jsonl"].write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
    outcomes = {name: outcome(file, tmp_path / name) for name, file in files.items()}
    require(
        all(words == NAMES or "label" in words[0] for words in outcomes.values()),
        "lists of one word become "
        + "; ".join(f"in {name} {', '.join(words)}" for name, words in outcomes.items()),
    )
