"""The default text model beside the plainest other one: term weights and a logistic regression.

What tells the label is one pair of words among two dozen that tell nothing, and there are 800 rows
to learn from.
"""

from __future__ import annotations

import random
from pathlib import Path

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from tests.cases.commands import succeed
from tests.cases.data_commands import NO_NEAR_DUPLICATES
from tests.cases.rows import LabelledText, write_csv
from tests.cases.verdict import falls_short, require

LABELS, MARGIN = ("down", "flat", "up"), 0.02
COUNTS = {"train": 800, "val": 300, "test": 1000}
WORDS = [
    start + middle + end
    for start in "bdfgklmnprst"
    for middle in ("an", "el", "im", "or", "u")
    for end in ("a", "est", "i", "on", "ul")
]
SIGNS = {
    label: [f"{one} {two}" for one in WORDS[at::9] for two in WORDS[at + 3 :: 90]]
    for at, label in enumerate(LABELS)
}


def draw_rows(draw: random.Random, count: int) -> list[LabelledText]:
    """Texts of which one in fifteen has the sign of another label than its own."""
    rows = []
    for _ in range(count):
        label = draw.choice(LABELS)
        sign = label if draw.random() < 0.9 else draw.choice(LABELS)
        words = draw.choices(WORDS, k=24)
        words.insert(draw.randrange(len(words)), draw.choice(SIGNS[sign]))
        rows.append((" ".join(words), label))
    return rows


def accuracy_of_the_default(folder: Path, home: Path) -> float:
    overrides = ("data=files", f"data.path={folder}", NO_NEAR_DUPLICATES)
    body = succeed("train", "sentiment", *overrides, home=home)
    return float(body["metrics"]["test"]["accuracy"])


def accuracy_of_term_weights(sets: dict[str, list[LabelledText]]) -> float:
    (texts, labels), (test_texts, test_labels) = (
        zip(*sets[name], strict=True) for name in ("train", "test")
    )
    terms = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = make_pipeline(terms, LogisticRegression(C=10, max_iter=1000)).fit(texts, labels)
    return float(model.score(test_texts, test_labels))


@falls_short("data", "0.633 where term weights and a logistic regression have 0.719; 0.02 may be")
def test_the_default_text_model_holds_against_the_plainest(tmp_path: Path, home: Path) -> None:
    draw = random.Random(5)
    sets = {name: draw_rows(draw, count) for name, count in COUNTS.items()}
    for name, rows in sets.items():
        write_csv(tmp_path / "texts" / f"{name}.csv", rows)
    default = accuracy_of_the_default(tmp_path / "texts", home)
    plain = accuracy_of_term_weights(sets)
    require(
        default >= plain - MARGIN,
        f"the default model has an accuracy of {default:.3f} on {COUNTS['test']} texts where term"
        f" weights and a logistic regression have {plain:.3f}",
    )
