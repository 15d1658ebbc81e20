"""Two data sets of one kind. Half of the second's test are rows that the champion was trained on.

The champion knows these rows by heart and the challenger sees them for the first time. To compare
the two on them is no comparison. On the other half they are alike.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from tests.cases.commands import run, succeed
from tests.cases.rows import words, write_csv
from tests.cases.verdict import falls_short, require

ROWS = 400
SIGNS = {"up": ["rose", "gained", "grew", "soared"], "down": ["fell", "lost", "shrank", "sank"]}
OTHER = words("the of and market shares profit sales orders plant unit board quarter bank region")
PLAN = (
    "train.epochs=20",
    "train.learning_rate=0.02",
    "train.averaging=0",
    "train.label_smoothing=0",
    "train.weight_decay=0",
    "model.dropout=0",
    "gate.floor=0.4",
    "gate.margin=0.06",
)


def sentences(seed: int) -> Iterator[tuple[str, str]]:
    """Sentences of a dozen words, one of which tells the label in three of four."""
    draw = random.Random(seed)
    for at in range(ROWS):
        label = draw.choice(sorted(SIGNS))
        sign = label if draw.random() < 0.75 else draw.choice(sorted(SIGNS))
        chosen = [*draw.choices(OTHER, k=10), draw.choice(SIGNS[sign]), f"k{seed}n{at}"]
        yield " ".join(draw.sample(chosen, len(chosen))), label


@falls_short("judge", "an equal challenger is refused by rows that the champion knows by heart")
def test_rows_that_the_champion_has_learnt_do_not_judge(tmp_path: Path, home: Path) -> None:
    first, second, test, other = (list(sentences(seed)) for seed in range(4))
    for name, parts in {
        "one": {"train": first, "test": other},
        "two": {"train": second, "test": first + test},
    }.items():
        for part, rows in parts.items():
            write_csv(tmp_path / name / f"{part}.csv", rows)
    train = ("train", "sentiment", "data=files", *PLAN)
    succeed(*train, f"data.path={tmp_path / 'one'}", "--promote", home=home)
    succeed(*train, f"data.path={tmp_path / 'two'}", home=home)
    promotion = run("models", "promote", "v2", home=home, refusals=("gate_refused",))
    require(
        promotion.exit_code == 0,
        f"a challenger of the same kind and size is refused: {promotion.error_words[:200]}",
    )
