"""A CSV file as spreadsheets write it where the comma is the decimal sign: with semicolons.

It must be read, or the refusal must name the semicolon.
"""

from __future__ import annotations

from pathlib import Path

from tests.cases.data_commands import check
from tests.cases.rows import labelled_texts
from tests.cases.verdict import falls_short, require

ROWS = 200
NAMES = ("semicolon", "delimiter", "separator", "';'")


@falls_short("data", "a CSV with semicolons is refused: no column 'text'")
def test_semicolons_are_read_or_named(tmp_path: Path, home: Path) -> None:
    file = tmp_path / "rows.csv"
    lines = [f"{text};{label}\r\n" for text, label in labelled_texts(ROWS)]
    file.write_text("\ufefftext;label\r\n" + "".join(lines), "utf-8", newline="")
    checked = check("sentiment", "files", file, home=home)
    words = checked.error_words.lower()
    examples = checked.body.get("examples", 0)
    require(
        examples == ROWS or any(name in words for name in NAMES),
        f"{examples} of {ROWS} rows are read; {words or 'nothing is said'}",
    )
