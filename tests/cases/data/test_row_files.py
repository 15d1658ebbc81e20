"""Rows as other programs write them. Each must be read, or the refusal must say what is meant.

A first line `sep=,` as a spreadsheet understands it, an array in place of lines of JSON, and a
folder whose validation is called `validation.csv`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.cases.data_commands import check
from tests.cases.rows import varied_texts
from tests.cases.verdict import falls_short, require

CAUSES = {
    "one.csv": "separator|delimiter",
    "two.jsonl": "array|each line|per line",
    "three": "val.csv",
}
"""Per file or folder, what a refusal has to speak of."""


def table(count: int) -> str:
    rows = [("text", "label"), *varied_texts(count)]
    return "\n".join(f"{text},{label}" for text, label in rows)


def write_files(folder: Path) -> None:
    (folder / "three").mkdir()
    (folder / "three" / "train.csv").write_text(table(60), "utf-8")
    validation = table(30).replace("no ", "number ")
    (folder / "three" / "validation.csv").write_text(validation, "utf-8")
    (folder / "one.csv").write_text("sep=,\n" + table(60), "utf-8")
    rows = [{"text": text, "label": label} for text, label in varied_texts(60)]
    (folder / "two.jsonl").write_text(json.dumps(rows, indent=1), "utf-8")


@falls_short("data", "sep=, a JSON array and validation.csv are refused without the cause")
def test_rows_of_other_programs_are_read_or_refused_with_the_cause(
    tmp_path: Path, home: Path
) -> None:
    write_files(tmp_path)
    outcomes = {
        name: check("sentiment", "files", tmp_path / name, home=home / name) for name in CAUSES
    }
    unexplained = [
        f"{name}: {outcome.error['message'].replace(f'{tmp_path}/', '')}"
        for name, outcome in outcomes.items()
        if outcome.error and not re.search(CAUSES[name], outcome.error_words.lower())
    ]
    require(
        not unexplained,
        f"{len(unexplained)} of {len(CAUSES)} are refused without naming the cause:"
        f" {' '.join(unexplained)}",
    )
