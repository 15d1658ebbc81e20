"""Seeded drawings of coffee leaves in five states of health: the data that ships with Tidemill.

They stand in for photographs where none can be had: a first run, a demonstration, a test. The
drawings are pixel-identical on every machine (`canvas` says how), so digests can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tidemill.codecs.bitmap import encode_bitmap
from tidemill.data.random_stream import stream
from tidemill.domain.errors import UsageError
from tidemill.domain.types import Example, Labels, Split, payload_id
from tidemill.recipes.shared.blade import (
    COFFEE,
    Habit,
    paint_blade,
    paint_blemishes,
    paint_ground,
)
from tidemill.recipes.shared.camera import Camera, Pixels, expose
from tidemill.recipes.shared.canvas import REFERENCE_HEIGHT, Canvas, Dice
from tidemill.recipes.shared.lesions import PAINTERS, Painter

__all__ = ["CLASSES", "PAINTER_VERSION", "Camera", "Sample", "examples", "paint"]

CLASSES: tuple[str, ...] = tuple(PAINTERS)
PAINTER_VERSION = 1
"""The version of the drawings, part of every cache key. Raise it when any pixel changes."""

_DEFAULT_CAMERA = Camera()


def paint(
    label: str, seed: int, *, size: tuple[int, int] = (96, 48), camera: Camera = _DEFAULT_CAMERA
) -> Pixels:
    """Return one leaf, uint8 `[height, width, 3]`; `size` is (width, height), in 16 to 2048.

    The same label and seed always give the same scene; the camera only changes how it is seen.
    Raises UsageError for an unknown label or such a size.
    """
    if label not in PAINTERS:
        raise UsageError(
            f"No leaf is drawn for {label!r}.", hint=f"Known labels: {', '.join(CLASSES)}."
        )
    return scene(label, seed, COFFEE, PAINTERS[label], size, camera)


def scene(
    name: str, seed: int, habit: Habit, symptoms: Painter, size: tuple[int, int], camera: Camera
) -> Pixels:
    """Return a leaf of some plant with some symptoms, seen so. `name` and `seed` fix the scene."""
    width, height = size
    if not (16 <= width <= 2048 and 16 <= height <= 2048):
        raise UsageError(f"Cannot draw {width} x {height} pixels.", hint="Sides are 16 to 2048.")
    dice = Dice(stream("scene", name, seed))
    unit = height / REFERENCE_HEIGHT * camera.scale
    canvas = Canvas(width, height, unit, stream("grain", name, seed))
    paint_ground(canvas, dice)
    blade = paint_blade(canvas, dice, camera.season, habit)
    symptoms(canvas, dice, blade)
    paint_blemishes(canvas, dice, blade)
    _light(canvas, dice)
    return expose(canvas, camera, noise=dice.between(0.005, 0.018))


def _light(canvas: Canvas, dice: Dice) -> None:
    """The hour and the weather: exposure, white balance, and more light on one side."""
    exposure = dice.between(0.88, 1.1)
    for channel in range(3):
        canvas.rgb[..., channel] *= exposure * dice.between(0.94, 1.06)
    across, down = dice.between(-0.16, 0.16), dice.between(-0.16, 0.16)
    canvas.shade(1.0 + canvas.x * (across / 48) + canvas.y * (down / 24))


@dataclass(frozen=True, slots=True)
class Sample:
    """Which drawings: how many per split, from which seed, seen how."""

    seed: int = 0
    train: int = 1000
    val: int = 300
    test: int = 2000
    size: tuple[int, int] = (96, 48)
    camera: Camera = _DEFAULT_CAMERA


def examples(sample: Sample) -> Iterator[Example]:
    """Return the drawings as examples of the target `disease`, split by split, classes in turn."""

    def labels(name: str) -> Labels:
        return {"disease": name}

    return drawn(sample, CLASSES, paint, labels)


STREAMS = {"test": "anchor"}
"""Names of random streams. The test split keeps the one that its images were first drawn from."""


def drawn(
    sample: Sample,
    classes: Sequence[str],
    painter: Callable[..., Pixels],
    labels: Callable[[str], Labels],
) -> Iterator[Example]:
    """Yield drawings of each class in turn, split by split.

    An image depends only on (seed, split, index) and on how it is seen, so that a longer sample
    begins, split by split, with a shorter one.
    """
    counts: tuple[tuple[Split, int], ...] = (
        ("train", sample.train),
        ("val", sample.val),
        ("test", sample.test),
    )
    for split, count in counts:
        for index in range(count):
            label = classes[index % len(classes)]
            name = STREAMS.get(split, split)
            seed = int(stream(sample.seed, name, index).integers(0, 2**63))
            payload = encode_bitmap(painter(label, seed, size=sample.size, camera=sample.camera))
            yield Example(
                id=payload_id(payload),
                payload=payload,
                labels=labels(label),
                source="sample",
                origin=f"sample/{split}/{label}/{index:06d}.bmp",
                split=split,
            )
