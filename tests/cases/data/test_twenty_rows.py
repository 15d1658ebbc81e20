"""Of twenty rows three become the test. Is a person told that they are too few?

The check or the training must say so, or the refusal to promote must. A bound that no model could
reach helps nobody.
"""

from __future__ import annotations

import random
from pathlib import Path

from tests.cases.commands import run
from tests.cases.data_commands import NO_NEAR_DUPLICATES, check, is_silent
from tests.cases.rows import words, write_csv
from tests.cases.verdict import falls_short, require

EACH = 10
TOPICS = {
    "food": words("bake stir roast soup bread cream oven onion butter spoon"),
    "sport": words("striker keeper goal referee match penalty runner cup score pitch"),
}
PLAIN = ("too few", "more needed", "one class", "only one")


@falls_short("data", "of 20 rows a bound of 1.000 is asked for; somebody must say: too few")
def test_too_few_rows_are_called_too_few(tmp_path: Path, home: Path) -> None:
    draw = random.Random(17)
    rows = [(" ".join(draw.sample(TOPICS[name], 5)), name) for _ in range(EACH) for name in TOPICS]
    file = write_csv(tmp_path / "rows.csv", rows)
    data = ("data=files", f"data.path={file}", NO_NEAR_DUPLICATES)
    checked = check("sentiment", "files", file, NO_NEAR_DUPLICATES, home=home)
    trained = run("train", "sentiment", *data, home=home)
    early = not is_silent(checked) or bool(trained.error)
    promotion = (
        None if early else run("models", "promote", "v1", home=home, refusals=("gate_refused",))
    )
    refusal = promotion.error_words if promotion else ""
    require(
        early or any(word in refusal for word in PLAIN),
        f"of {2 * EACH} rows the check says nothing; then: {refusal or 'promoted'}",
    )
