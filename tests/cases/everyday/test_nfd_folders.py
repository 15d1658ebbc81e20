"""Class folders whose names look alike: café in two normal forms of Unicode, Rust and rust.

On other systems each pair is one folder. Here they must be one class, or there must be a finding.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np

from tests.cases.data_commands import check, class_names, is_silent, take_snapshot
from tests.cases.images import save_class
from tests.cases.verdict import falls_short, require

EACH = 15
PAIRS = {
    "normal form": [unicodedata.normalize(form, "café") for form in ("NFC", "NFD")],
    "case": ["Rust", "rust"],
}


def is_two_classes_without_a_word(work: Path, pair: list[str], draw: np.random.Generator) -> bool:
    for name in (*pair, "other"):
        save_class(draw, work / "leaves" / name, EACH)
    data, home = ("coffee", "folder", work / "leaves"), work / "home"
    if not is_silent(check(*data, home=home)):
        return False
    assert not take_snapshot(*data, home=home).error
    return len(class_names(home, "disease")) > 2


@falls_short("everyday", "folders that differ in normal form or case alone are two classes, unsaid")
def test_folders_that_look_alike_are_one_class_or_a_finding(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    silent = [
        name
        for name, pair in PAIRS.items()
        if is_two_classes_without_a_word(tmp_path / name.replace(" ", "-"), pair, draw)
    ]
    require(
        not silent,
        f"folders whose names differ in {' or in '.join(silent)} alone are two classes, and the"
        " check has no finding",
    )
