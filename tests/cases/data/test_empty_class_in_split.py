"""Thirty classes of eight texts are divided by hash. Has some class no test example?

Nothing can be said of such a class, and no cycle would notice that it was lost.
"""

from __future__ import annotations

import random
from pathlib import Path

from tests.cases.data_commands import (
    NO_NEAR_DUPLICATES,
    check,
    is_silent,
    label_counts,
    take_snapshot,
)
from tests.cases.rows import LabelledText, write_csv
from tests.cases.verdict import falls_short, require

CLASSES, EACH = 30, 8
JUDGING = ("val", "test")
WORDS = [one + two for one in "bdfgklmnprst" for two in ("anor", "elit", "imos", "orun", "uda")]
OVERRIDES = ("checks.minimum_per_class=1", NO_NEAR_DUPLICATES)


def draw_rows() -> list[LabelledText]:
    draw = random.Random(0)
    return [
        (" ".join([f"topic{at}", *draw.choices(WORDS, k=9)]), f"class {at}")
        for at in range(CLASSES)
        for _ in range(EACH)
    ]


def absent_classes(counts: dict[str, int]) -> int:
    return CLASSES - sum(count > 0 for count in counts.values())


@falls_short("data", "7 of 30 classes are absent from val and 11 from the test, without a finding")
def test_each_class_is_in_each_judging_split_or_there_is_a_finding(
    tmp_path: Path, home: Path
) -> None:
    file = write_csv(tmp_path / "rows.csv", draw_rows())
    checked = check("sentiment", "files", file, *OVERRIDES, home=home)
    taken = take_snapshot("sentiment", "files", file, *OVERRIDES, home=home)
    counts = {} if taken.error else label_counts(home, "sentiment")
    absent = {split: absent_classes(counts[split]) for split in JUDGING if counts}
    require(
        not is_silent(checked) or not any(absent.values()),
        f"of {CLASSES} classes {absent.get('val', 0)} are absent from val and"
        f" {absent.get('test', 0)} from the test; the check says nothing about it",
    )
