"""A small folder of leaves with four planted faults, to prove that the checks find them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tidemill.codecs.bitmap import encode_bitmap
from tidemill.data.random_stream import stream
from tidemill.domain.errors import UsageError
from tidemill.recipes.shared.camera import Pixels
from tidemill.recipes.shared.canvas import Dice
from tidemill.recipes.shared.leaves import CLASSES, paint

ImagePainter = Callable[[str, int], Pixels]


def plant(
    folder: Path,
    *,
    seed: int = 0,
    each: int = 12,
    classes: Sequence[str] = CLASSES,
    paint: ImagePainter = paint,
) -> dict[str, tuple[str, ...]]:
    """Write `train|val|test/<class>/NNNN.png` and return each fault's files.

    `each` images a class in train, a quarter as many (at least two) in val and in test, planted
    files included. Exactly four faults, in disjoint files, given as POSIX paths below `folder`:

    * `identical`: two train files of one class with the same pixels, one PNG and one BMP;
    * `leak`: a train file and a test file of one class, the second a copy of the first;
    * `conflict`: two train files of two classes, the second a copy of the first;
    * `broken`: a train file with the name of an image and half of its bytes.

    There are five `classes` at least, and `paint` draws one leaf of a class and a seed. Raises
    UsageError when `each` is below 4 or the folder holds anything already.
    """
    if each < 4:
        raise UsageError(f"Cannot plant faults among {each} images a class.", hint="At least 4.")
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty.", hint="Name a new folder.")
    held_back = max(2, each // 4)
    for split, count in (("train", each), ("val", held_back), ("test", held_back)):
        for label in classes:
            _paint_folder(folder / split / label, (seed, split), count, paint)
    dice = Dice(stream("faults", seed))
    roles = list(classes)
    for last in range(len(roles) - 1, 0, -1):
        other = dice.whole(0, last)
        roles[last], roles[other] = roles[other], roles[last]
    return _spoil(folder, roles, dice, each, held_back)


def _paint_folder(folder: Path, names: tuple[object, ...], count: int, paint: ImagePainter) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = paint(folder.name, _seed(*names, number))
        Image.fromarray(pixels).save(folder / _file(number))


def _spoil(
    folder: Path, roles: Sequence[str], dice: Dice, each: int, held_back: int
) -> dict[str, tuple[str, ...]]:
    # One class per role, so that the faults use different files.
    twin, leaked, one, other_class, broken, *_ = roles

    number = dice.whole(0, each - 2)
    original = f"train/{twin}/{_file(number)}"
    again = f"train/{twin}/{number + 1:04d}.bmp"
    (folder / again).with_suffix(".png").unlink()
    with Image.open(folder / original) as image:
        (folder / again).write_bytes(encode_bitmap(np.asarray(image)))

    learnt = f"train/{leaked}/{_file(dice.whole(0, each - 1))}"
    tested = f"test/{leaked}/{_file(dice.whole(0, held_back - 1))}"
    (folder / tested).write_bytes((folder / learnt).read_bytes())

    called = f"train/{one}/{_file(dice.whole(0, each - 1))}"
    also_called = f"train/{other_class}/{_file(dice.whole(0, each - 1))}"
    (folder / also_called).write_bytes((folder / called).read_bytes())

    cut = f"train/{broken}/{_file(dice.whole(0, each - 1))}"
    whole = (folder / cut).read_bytes()
    (folder / cut).write_bytes(whole[: len(whole) // 2])
    return {
        "identical": (original, again),
        "leak": (learnt, tested),
        "conflict": (called, also_called),
        "broken": (cut,),
    }


def _file(number: int) -> str:
    return f"{number:04d}.png"


def _seed(*names: object) -> int:
    return int(stream("faulty", *names).integers(0, 2**63))
