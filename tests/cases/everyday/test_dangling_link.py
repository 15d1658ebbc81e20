"""Links in a folder of images: one leads nowhere, and one class is a link to a folder.

The first must be named. The second must be followed, or refused in words that speak of a link.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.cases.data_commands import check, words_of
from tests.cases.images import save_class
from tests.cases.verdict import require

EACH = 12


def test_links_in_a_folder_are_followed_or_named(tmp_path: Path, home: Path) -> None:
    draw, leaves = np.random.default_rng(0), tmp_path / "leaves"
    for folder in (leaves / "a", leaves / "b", tmp_path / "elsewhere"):
        save_class(draw, folder, EACH)
    lost = leaves / "a" / "lost.png"
    lost.symlink_to("nowhere.png")
    broken = check("coffee", "folder", leaves, home=home)
    lost.unlink()
    (leaves / "c").symlink_to(tmp_path / "elsewhere")
    linked = check("coffee", "folder", leaves, home=home)
    named = "lost.png" in broken.stdout
    followed = linked.body.get("examples") == 3 * EACH or "link" in linked.error_words.lower()
    require(
        named and followed,
        f"the link to nowhere is {'named' if named else 'passed over'}; of a class that is a link:"
        f" {linked.error_words or words_of(linked)}",
    )
