"""Painted coffee leaves under an old and a new camera."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path

from PIL import Image

from tidemill.cli.story.clients import as_file
from tidemill.cli.story.world import World
from tidemill.data.samples.faults import plant
from tidemill.data.samples.leaves import Camera, Sample, examples
from tidemill.domain.types import Example
from tidemill.workshop.planning import plan

CAMERA = Camera(season=0.2, tint=(1.1, 1.0, 0.9), blur=0.5)
"""The camera that changes: warmer, a little softer, and it is early autumn."""


def changed(seed: int, count: int) -> list[Example]:
    """Leaves as the new camera sees them."""
    codec = plan("coffee")[1].codec
    size = (codec["width"], codec["height"])
    return list(examples(Sample(seed, train=0, val=0, anchor=count, size=size, camera=CAMERA)))


def faulty(folder: Path) -> tuple[str, ...]:
    """A folder of pictures."""
    return ("data=folder", f"data.path={folder}")


def show(payload: bytes) -> str:
    """The picture, in a format that every browser knows."""
    png = BytesIO()
    with Image.open(BytesIO(payload)) as picture:
        picture.save(png, format="png")
    return f"<img alt='' src='data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}'>"


WORLD = World(
    recipe="coffee",
    items="leaves",
    change="camera",
    changed=changed,
    plant=plant,
    faulty=faulty,
    form=as_file,
    bulky=list,
    show=show,
    second=("train.epochs=9",),
)
