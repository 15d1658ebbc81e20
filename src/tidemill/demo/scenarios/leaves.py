"""What the worlds of painted leaves share: images under an old and a new camera."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image

from tidemill.demo.clients import as_file
from tidemill.demo.scenario import World
from tidemill.domain.types import Example
from tidemill.recipes.shared.leaves import Camera, Sample
from tidemill.workspace.planning import plan

CAMERA = Camera(season=0.2, tint=(1.1, 1.0, 0.9), blur=0.5)
"""The camera that changes: warmer, a little softer, and it is early autumn."""


def world(
    recipe: str,
    examples: Callable[[Sample], Iterator[Example]],
    plant: Callable[[Path], Mapping[str, Sequence[str]]],
    *,
    second: tuple[str, ...],
) -> World:
    """The world of a recipe whose default data is painted so."""

    def changed(seed: int, count: int) -> list[Example]:
        codec = plan(recipe)[1].codec
        size = (codec["width"], codec["height"])
        return list(examples(Sample(seed, train=0, val=0, test=count, size=size, camera=CAMERA)))

    return World(
        recipe=recipe,
        items="leaves",
        change="camera",
        changed=changed,
        plant=plant,
        faulty=faulty,
        form=as_file,
        bulky=list,
        show=show,
        second=second,
    )


def faulty(folder: Path) -> tuple[str, ...]:
    """A folder of images."""
    return ("data=folder", f"data.path={folder}")


def show(payload: bytes) -> str:
    """The image, in a format that every browser knows."""
    png = BytesIO()
    with Image.open(BytesIO(payload)) as image:
        image.save(png, format="png")
    return f"<img alt='' src='data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}'>"
