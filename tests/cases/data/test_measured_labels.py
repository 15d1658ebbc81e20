"""A label column holds measurements, not classes. Is that said, in one sentence?"""

from __future__ import annotations

import json
import random
from pathlib import Path

from tests.cases.data_commands import check
from tests.cases.rows import varied_texts, write_csv
from tests.cases.verdict import falls_short, require

ROWS, ALLOWED = 200, 3
NAMES = ("number", "numeric", "regression")


@falls_short(
    "data", "a column of measurements gives 177 findings, one a class; one sentence must do"
)
def test_a_column_of_measurements_is_told_in_one_sentence(tmp_path: Path, home: Path) -> None:
    draw = random.Random(2)
    rows = [(text, f"{draw.random():.3f}") for text, _ in varied_texts(ROWS)]
    checked = check("sentiment", "files", write_csv(tmp_path / "rows.csv", rows), home=home)
    findings = checked.body.get("findings", [])
    words = json.dumps([checked.error, *(row["sentence"] for row in findings[:3])]).lower()
    require(
        len(findings) <= ALLOWED and any(name in words for name in NAMES),
        f"{ROWS} measurements give {len(findings)} findings, the first:"
        f" {findings[0]['sentence'][:90] if findings else checked.error_words}",
    )
