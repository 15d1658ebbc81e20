"""Parts of the leaf scenarios: painted images, first from one camera, later from another."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image

from tidemill.demo.scenario import Scenario
from tidemill.domain.types import Example
from tidemill.recipes.shared.leaves import Camera, Sample
from tidemill.testing.clients import as_multipart
from tidemill.workspace.planning import plan

CAMERA = Camera(season=0.2, tint=(1.1, 1.0, 0.9), blur=0.5)
"""The later camera: warmer and a little softer, and it is early autumn."""


def build_scenario(
    recipe: str,
    examples: Callable[[Sample], Iterator[Example]],
    plant: Callable[[Path], Mapping[str, Sequence[str]]],
    *,
    second_overrides: tuple[str, ...],
) -> Scenario:
    """Build the scenario of a recipe whose default data is painted like this."""

    def shifted_examples(seed: int, count: int) -> list[Example]:
        codec = plan(recipe)[1].codec
        size = (codec["width"], codec["height"])
        return list(examples(Sample(seed, train=0, val=0, test=count, size=size, camera=CAMERA)))

    return Scenario(
        recipe=recipe,
        examples_noun="leaves",
        change="camera",
        shifted_examples=shifted_examples,
        plant_faults=plant,
        faulty_overrides=read_faulty,
        request_format=as_multipart,
        enlarge=list,
        render=render,
        second_overrides=second_overrides,
    )


def read_faulty(folder: Path) -> tuple[str, ...]:
    """Return the overrides that read a folder of images."""
    return ("data=folder", f"data.path={folder}")


def render(payload: bytes) -> str:
    """Return the image as PNG, which every browser knows."""
    png = BytesIO()
    with Image.open(BytesIO(payload)) as image:
        image.save(png, format="png")
    return f"<img alt='' src='data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}'>"
