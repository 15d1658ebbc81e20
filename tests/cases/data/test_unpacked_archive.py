"""An archive of class folders as it lies there once it was unpacked, and the same still packed.

One folder stands above the classes, and the program that packed it left files. Packed, it is read.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from PIL import Image

from tests.cases.data_commands import check
from tests.cases.verdict import falls_short, require

EACH = 20


def save_speckles(folder: Path) -> None:
    """Write images of coarse speckles, no two of them alike."""
    folder.mkdir(parents=True)
    for at in range(EACH):
        speckles = random.Random(f"{folder.name} {at}").randbytes(48)
        Image.frombytes("RGB", (4, 4), speckles).resize((64, 64)).save(folder / f"0-{at}.png")


@falls_short(
    "data", "a folder above the classes and __MACOSX beside them are refused, packed is read"
)
def test_an_unpacked_archive_is_read_as_the_packed_one(tmp_path: Path, home: Path) -> None:
    root = tmp_path / "unpacked" / "PlantVillage"
    for name in ("healthy", "rust"):
        save_speckles(root / name)
    outcomes = {"one folder above": check("coffee", "folder", root.parent, home=home)}
    for leftover in (root / "__MACOSX" / "healthy" / "._0-0.png", root / "healthy" / ".DS_Store"):
        leftover.parent.mkdir(parents=True, exist_ok=True)
        leftover.write_bytes(b"x")
    outcomes["__MACOSX beside them"] = check("coffee", "folder", root, home=home)
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", root.parent))
    outcomes["packed"] = check("coffee", "archive", packed, home=home)
    refused = {
        name: outcome.error["message"].replace(str(tmp_path), "")[:90]
        for name, outcome in outcomes.items()
        if outcome.error
    }
    require(
        not refused,
        f"{len(refused)} of {len(outcomes)} are refused:"
        f" {'; '.join(f'{name}: {message}' for name, message in refused.items())}",
    )
