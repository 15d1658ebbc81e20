"""Images lie in Training/ and Testing/, each with the folders of two classes. What are the classes?

The two folders must be splits, or the data must be refused or warned of by their names.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.cases.data_commands import check, class_names, take_snapshot, words_of
from tests.cases.images import save_class
from tests.cases.verdict import falls_short, require

COUNTS, CLASSES = {"Training": 20, "Testing": 10}, ["healthy", "rust"]


@falls_short("data", "Training and Testing are taken for the classes, without a word")
def test_folders_named_as_splits_are_splits_or_named(tmp_path: Path, home: Path) -> None:
    draw, leaves = np.random.default_rng(0), tmp_path / "leaves"
    for split, count in COUNTS.items():
        for name in CLASSES:
            save_class(draw, leaves / split / name, count)
    checked = check("coffee", "folder", leaves, home=home)
    taken = take_snapshot("coffee", "folder", leaves, home=home)
    classes = [] if taken.error else class_names(home, "disease")
    require(
        "Training" in words_of(checked) or classes == CLASSES,
        f"the classes are {', '.join(classes) or 'none'}, with"
        f" {len(checked.body.get('findings', []))} findings",
    )
