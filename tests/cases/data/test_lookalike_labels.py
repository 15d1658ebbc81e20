"""Labels that a person takes for the same. Are they one class, or is somebody told?"""

from __future__ import annotations

from pathlib import Path

from tests.cases.data_commands import (
    NO_NEAR_DUPLICATES,
    check,
    class_names,
    is_silent,
    take_snapshot,
)
from tests.cases.rows import numbered_texts, write_csv
from tests.cases.verdict import falls_short, require

ROWS = 240
PAIRS = {
    "case": ("positive", "Positive"),
    "a zero-width space": ("positive", "positive\u200b"),
    "the form of a number": ("1", "1.0"),
    "a leading zero": ("1", "01"),
}


def is_two_classes_without_a_word(work: Path, pair: tuple[str, str]) -> bool:
    labels = [*pair, "negative", "negative"]
    rows = [(text, labels[at % 4]) for at, text in enumerate(numbered_texts(ROWS))]
    data = ("sentiment", "files", write_csv(work / "rows.csv", rows), NO_NEAR_DUPLICATES)
    if not is_silent(check(*data, home=work / "home")):
        return False
    assert not take_snapshot(*data, home=work / "home").error
    return len(class_names(work / "home", "sentiment")) > 2


@falls_short("data", "labels that differ in case, blanks or the form of a number are two, unsaid")
def test_labels_that_look_alike_are_one_class_or_a_finding(tmp_path: Path) -> None:
    silent = [
        name
        for at, (name, pair) in enumerate(PAIRS.items())
        if is_two_classes_without_a_word(tmp_path / str(at), pair)
    ]
    require(
        not silent,
        f"two labels that differ in {', in '.join(silent)} are two classes without a word",
    )
