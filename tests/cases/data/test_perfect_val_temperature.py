"""Two topics are easily told apart, so validation is perfect. How sure is the model of nonsense?

A perfect validation says nothing of how large a margin must be. So the temperature must not end at
its bound.
"""

from __future__ import annotations

import random
from pathlib import Path

from tests.cases.commands import succeed
from tests.cases.data_commands import NO_NEAR_DUPLICATES
from tests.cases.rows import words, write_csv
from tests.cases.verdict import falls_short, require

EACH, ALLOWED = 200, 0.95
OTHER = words("the a of and with was in for on at by from")
TOPICS = {
    "food": words("bake stir roast soup bread cream oven onion butter spoon chicken salad"),
    "sport": words("striker keeper goal referee match penalty runner cup score pitch team coach"),
}
NONSENSE = (
    "xyzzy qwerty plugh",
    "lorem ipsum dolor",
    "colourless green ideas sleep",
    "3.14159 2.71828",
)


def write_topics(file: Path) -> Path:
    draw = random.Random(0)
    rows = [
        (" ".join([*draw.choices(TOPICS[name], k=7), *draw.choices(OTHER, k=4), f"k{at}"]), name)
        for at in range(EACH)
        for name in TOPICS
    ]
    return write_csv(file, rows)


def write_nonsense(folder: Path) -> list[str]:
    files = [folder / f"{at}.txt" for at in range(len(NONSENSE))]
    for file, text in zip(files, NONSENSE, strict=True):
        file.write_text(text, "utf-8")
    return [str(file) for file in files]


@falls_short("data", "after a perfect validation nonsense gets a confidence of 0.9995; 0.95 may be")
def test_a_perfect_validation_does_not_make_a_model_certain(tmp_path: Path, home: Path) -> None:
    file = write_topics(tmp_path / "rows.csv")
    data = ("data=files", f"data.path={file}", NO_NEAR_DUPLICATES)
    succeed("train", "sentiment", *data, "--promote", home=home)
    body = succeed("predict", *write_nonsense(tmp_path), home=home)
    confidences = [
        max(answer["probabilities"].values())
        for prediction in body["predictions"]
        for answer in prediction["answers"]
    ]
    assert len(confidences) == len(NONSENSE)
    require(
        max(confidences) < ALLOWED,
        f"of {len(confidences)} texts of no topic the most certain answer has"
        f" {max(confidences):.4f}, the mean {sum(confidences) / len(confidences):.3f}; below"
        f" {ALLOWED} is right",
    )
