"""Seeded drawings of two plants' leaves: the shape tells the plant, the symptoms the disease.

Both plants have rust, so that neither of the two can be told from the other. The drawings are as
reproducible as those of `leaves`, and seen by the same camera.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tidemill.domain.errors import UsageError
from tidemill.domain.types import Example
from tidemill.recipes.plants.naming import SEPARATOR, plant_labels
from tidemill.recipes.shared import image_faults
from tidemill.recipes.shared.blade import Habit
from tidemill.recipes.shared.camera import Camera, Pixels
from tidemill.recipes.shared.leaves import Sample, drawn, scene
from tidemill.recipes.shared.lesions import (
    Painter,
    paint_miner,
    paint_nothing,
    paint_phoma,
    paint_rust,
)

PAINTER_VERSION = 1
"""The version of the drawings, part of every cache key. Raise it when any pixel changes."""

BEAN = Habit(
    slim=0.21,
    broad=0.27,
    roundness=0.5,
    cut=0.01,
    greens=((0.12, 0.28, 0.12), (0.23, 0.45, 0.18), (0.43, 0.54, 0.24)),
    ribs=(8, 12),
)
VINE = Habit(
    slim=0.26,
    broad=0.35,
    roundness=0.75,
    lobes=3.5,
    cut=0.15,
    tip=0.04,
    greens=((0.16, 0.30, 0.11), (0.30, 0.48, 0.16), (0.51, 0.57, 0.22)),
    ribs=(3, 6),
    lean=(0.2, 0.36),
)
PLANTS: Mapping[str, tuple[Habit, Mapping[str, Painter]]] = {
    "Bean": (BEAN, {"healthy": paint_nothing, "leaf_miner": paint_miner, "rust": paint_rust}),
    "Vine": (VINE, {"black_rot": paint_phoma, "healthy": paint_nothing, "rust": paint_rust}),
}
CLASSES: tuple[str, ...] = tuple(
    f"{plant}{SEPARATOR}{disease}"
    for plant, (_, painters) in PLANTS.items()
    for disease in painters
)
_DEFAULT_CAMERA = Camera()


def paint(
    name: str, seed: int, *, size: tuple[int, int] = (96, 48), camera: Camera = _DEFAULT_CAMERA
) -> Pixels:
    """Return one leaf of a class, uint8 `[height, width, 3]`; see `leaves.paint`."""
    if name not in CLASSES:
        raise UsageError(
            f"No leaf is drawn for {name!r}.", hint=f"Known classes: {', '.join(CLASSES)}."
        )
    plant, _, disease = name.partition(SEPARATOR)
    habit, painters = PLANTS[plant]
    return scene(name, seed, habit, painters[disease], size, camera)


def examples(sample: Sample) -> Iterator[Example]:
    """Return the drawings as examples of class, disease and plant; see `leaves.drawn`."""
    return drawn(sample, CLASSES, paint, plant_labels)


def plant(folder: Path, *, seed: int = 0, each: int = 12) -> dict[str, tuple[str, ...]]:
    """Return a small folder of such leaves with four planted faults; see `image_faults.plant`."""
    return image_faults.plant(folder, seed=seed, each=each, classes=CLASSES, paint=paint)
