"""JSON Lines whose texts are in a column of another name. Does the refusal say which is missing?"""

from __future__ import annotations

import json
from pathlib import Path

from tests.cases.data_commands import check
from tests.cases.rows import labelled_texts
from tests.cases.verdict import falls_short, require

ROWS = 200


@falls_short("data", "JSON Lines without the column 'text' are refused as holding no row")
def test_a_missing_column_is_named(tmp_path: Path, home: Path) -> None:
    file = tmp_path / "rows.jsonl"
    rows = [{"sentence": text, "label": label} for text, label in labelled_texts(ROWS)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    words = check("sentiment", "files", file, home=home).error_words
    require(
        "'text'" in words and "sentence" in words,
        f"of {ROWS} rows without the column 'text', which have 'sentence' instead, is said:"
        f" {words or 'nothing'}",
    )
