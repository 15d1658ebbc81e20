"""The measurements on real leaves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench import real
from bench.row import Row, Shift
from tidemill.data.corruptions import KINDS, corrupt_image

STRENGTH = 3
CROPS = 280
"""All the close-ups there are."""


def crops(place: Path, _test: Sequence[bytes]) -> list[bytes]:
    """The close-ups, in hash order."""
    return [example.payload for example in real.crops(place / real.CROPS).images]


def worse(kind: str, _place: Path, test: Sequence[bytes]) -> list[bytes]:
    """The row's own test images, each corrupted in one way."""
    return [corrupt_image(payload, kind, STRENGTH, seed=at) for at, payload in enumerate(test)]


CORRUPTED = tuple(Shift(f"{kind}_{STRENGTH}", partial(worse, kind)) for kind in KINDS)

ROWS = (
    Row(
        "coffee",
        "coffee",
        "BRACOL, five classes",
        "given",
        "residual_cnn",
        ("data=folder", "data.path={real}/coffee"),
        accuracy=0.87,
        seconds=300,
        shifts=(Shift("coffee_symptom", crops, within=CROPS), *CORRUPTED),
        served=True,
    ),
    Row(
        "plants",
        "plants",
        "PlantVillage, 7 classes (some leaf may be in two splits)",
        "given",
        "residual_cnn",
        ("data=folder", "data.path={real}/plant"),
        accuracy=0.88,
        target="class",
        served=True,
    ),
)
