"""Most images of a class folder have endings that are not read. Does anybody say so?

Images of phones end in .heic, and browsers save JPEG as .jfif.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.cases.data_commands import check
from tests.cases.images import save_noise
from tests.cases.verdict import require

JPEGS, OTHERS = 12, 30


def test_files_that_are_not_read_are_named(tmp_path: Path, home: Path) -> None:
    draw, leaves = np.random.default_rng(0), tmp_path / "leaves"
    for name in ("healthy", "rust"):
        for at in range(JPEGS):
            save_noise(draw, leaves / name / f"{at}.jpg", "JPEG")
    for at in range(OTHERS):
        save_noise(draw, leaves / "rust" / f"saved {at}.jfif", "JPEG")
        (leaves / "rust" / f"phone {at}.heic").write_bytes(draw.bytes(500))
    checked = check("coffee", "folder", leaves, home=home)
    examples = checked.body.get("examples", 0)
    named = {ending: ending in checked.stdout for ending in (".heic", ".jfif")}
    require(
        named[".heic"] and (named[".jfif"] or examples > 2 * JPEGS),
        f"{examples} of {2 * JPEGS + 2 * OTHERS} images are read, the rest is passed over without"
        " a word",
    )
