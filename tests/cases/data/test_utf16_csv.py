"""A file in UTF-16 with a byte order mark, as spreadsheets save "Unicode text".

It must be read, or the refusal must name UTF-16 and no encoding that the file does not have.
"""

from __future__ import annotations

from pathlib import Path

from tests.cases.data_commands import check
from tests.cases.rows import labelled_texts
from tests.cases.verdict import falls_short, require

ROWS = 200


@falls_short("data", "a UTF-16 file is refused with the advice to try latin-1 or cp1252")
def test_utf16_is_read_or_named(tmp_path: Path, home: Path) -> None:
    file = tmp_path / "rows.csv"
    lines = [f"{text},{label}\r\n" for text, label in labelled_texts(ROWS)]
    file.write_bytes(("text,label\r\n" + "".join(lines)).encode("utf-16"))
    checked = check("sentiment", "files", file, home=home)
    words = checked.error_words.lower()
    named = "utf-16" in words or "utf16" in words
    misled = "latin-1" in (checked.error.get("hint") or "")
    examples = checked.body.get("examples", 0)
    require(
        examples == ROWS or (named and not misled),
        f"{examples} of {ROWS} rows are read; {words or 'nothing is said'}",
    )
