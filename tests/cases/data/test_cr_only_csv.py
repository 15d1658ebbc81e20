"""A file's lines end in a carriage return alone, as "CSV (Macintosh)" is saved.

It must be read, or the refusal must say in plain words that its line ends are the trouble.
"""

from __future__ import annotations

from pathlib import Path

from tests.cases.data_commands import check
from tests.cases.rows import labelled_texts
from tests.cases.verdict import falls_short, require

ROWS = 200
PLAIN = ("carriage return", "line end", "line break")


@falls_short("data", 'CR line ends are refused in words of a library, "universal-newline mode"')
def test_cr_line_ends_are_read_or_named(tmp_path: Path, home: Path) -> None:
    file = tmp_path / "rows.csv"
    lines = [f"{text},{label}\r" for text, label in labelled_texts(ROWS)]
    file.write_bytes(("text,label\r" + "".join(lines)).encode())
    checked = check("sentiment", "files", file, home=home)
    words = checked.error_words.lower()
    named = any(word in words for word in PLAIN) and "universal-newline" not in words
    examples = checked.body.get("examples", 0)
    require(examples == ROWS or named, f"{examples} of {ROWS} rows are read; {words}")
