"""Read how a pretrained model preprocesses its images. Loads no torch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tidemill.domain.errors import DataError

FILE = "preprocessor_config.json"
Channels = tuple[float, float, float]


class _Side(BaseModel):
    """Height and width, or the shortest edge, which is then both sides of a square."""

    height: int | None = None
    width: int | None = None
    shortest_edge: int | None = None

    def pair(self) -> tuple[int, int] | None:
        """(width, height), if the file states it."""
        if self.width and self.height:
            return self.width, self.height
        return (self.shortest_edge,) * 2 if self.shortest_edge else None


class Processor(BaseModel):
    """The parts of an image processor of transformers that a codec can imitate.

    Size, mean and standard deviation are taken over. The image is letterboxed and scaled
    bilinearly, where most processors cut out a square and some scale otherwise.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    size: _Side | int | None = None
    crop_size: _Side | int | None = None
    do_center_crop: bool | None = None
    do_rescale: bool | None = True
    rescale_factor: float = 1 / 255
    rescale_offset: bool | None = False
    do_flip_channel_order: bool | None = False
    do_normalize: bool | None = True
    image_mean: list[float] | None = Field(default=None, min_length=3, max_length=3)
    image_std: list[float] | None = Field(default=None, min_length=3, max_length=3)

    def sides(self) -> tuple[int, int] | None:
        """(width, height) of the images that the model was trained on, if the file states it."""
        side = self.crop_size if self.do_center_crop and self.crop_size else self.size
        if side is None or isinstance(side, int):
            return (side, side) if side else None
        return side.pair()

    def unlike(self) -> str:
        """Return what it does that no codec does; empty if there is nothing."""
        if not self.do_rescale or not math.isclose(self.rescale_factor, 1 / 255, rel_tol=1e-3):
            return "scales pixels to another range than 0 to 1"
        if self.rescale_offset:
            return "moves the range of pixels"
        if self.do_flip_channel_order:
            return "turns the order of the channels"
        if self.do_normalize and not (self.image_mean and self.image_std):
            return "does not say image_mean and image_std"
        return ""


def images(folder: Path, size: int | None = None) -> dict[str, Any]:
    """Return the keys `width`, `height`, `mean` and `std` of an image codec for the model in
    `folder`.

    `size` is the side of a square that is taken instead of the processor's. Raises DataError when
    the file cannot be read, or asks for what no codec does.
    """
    path = folder / FILE
    try:
        processor = Processor.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{path} cannot be read: {first['msg']} ({where or 'file'}).") from error
    if unlike := processor.unlike():
        raise DataError(
            f"The processor in {folder} {unlike}.",
            hint="Choose a model whose images are only scaled and normalised.",
        )
    sides = (size, size) if size else processor.sides()
    if sides is None:
        raise DataError(
            f"The processor in {folder} does not say how large its images are.",
            hint="Say it with model.size=SIDE.",
        )
    plain = not processor.do_normalize
    return {
        "width": sides[0],
        "height": sides[1],
        "mean": [0.0] * 3 if plain else processor.image_mean,
        "std": [1.0] * 3 if plain else processor.image_std,
    }
