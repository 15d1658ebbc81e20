"""The models of images that a configuration can name. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tidemill.codecs.image import ImageCodec
from tidemill.domain.errors import UsageError
from tidemill.learn.model_files import ModelFiles
from tidemill.learn.processor import FILE, images
from tidemill.validation import validate

FILES = ModelFiles(
    needed=("config.json", FILE, "model.safetensors"),
    choices="model=residual_cnn needs no weights, and model.path=DIR names a folder that holds"
    " some.",
    saved="Save the model with save_pretrained, and its image processor beside it.",
)
BROUGHT = ("width", "height", "mean", "std")
"""The codec's keys that a pretrained model brings itself."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Residual(_Model):
    """A small network from scratch; `width` is its number of channels after the first block."""

    name: Literal["residual_cnn"]
    width: int = Field(ge=4, le=256)


class Pretrained(_Model):
    """An image classifier of transformers, without the classes of its own training.

    `path` is its folder. Without one, `weights` names it; see `ModelFiles.locate`. A `path` is
    never a name. `frozen` keeps the encoder's weights, so that only the heads learn. `size` is the
    side of the images, if it differs from the processor's.
    """

    name: Literal["pretrained"]
    weights: str | None = Field(min_length=1)
    path: Path | None
    frozen: bool
    size: int | None = Field(ge=32, le=1024)
    dropout: float = Field(ge=0, lt=1)

    def folder(self) -> Path:
        """Return the folder of its files; fetches them if needed. Raises what `locate` raises."""
        return FILES.in_folder(self.path) if self.path else FILES.locate(self._named())

    def here(self) -> Path | None:
        """Return the same, or None if its files would have to be fetched."""
        return FILES.in_folder(self.path) if self.path else FILES.here(self._named())

    def _named(self) -> str:
        if self.weights is None:
            raise UsageError(
                "model=pretrained is told of no model.",
                hint="Add model.path=DIR, or model.weights=NAME@COMMIT of the Hugging Face hub.",
            )
        return self.weights


ImageModel = Annotated[Residual | Pretrained, Field(discriminator="name")]


class ImageParts(BaseModel):
    """The part of an experiment that names the model and the codec of images."""

    model: ImageModel
    codec: dict[str, Any]


def check_images(config: Mapping[str, Any]) -> None:
    """Validate an experiment's model and codec without fetching anything.

    Raises what `image_codec` raises, as far as the files on this machine can tell.
    """
    parts = _parts(config)
    if isinstance(parts.model, Residual):
        ImageCodec.from_config(parts.codec)
    elif folder := parts.model.here():
        _codec(parts.model, parts.codec, folder)


def image_codec(config: Mapping[str, Any]) -> ImageCodec:
    """Return the codec of an experiment; a pretrained model's size, mean and std are its
    processor's.

    Raises UsageError for a value that it cannot take, DataError for a processor that no codec can
    follow, and what `locate` raises.
    """
    parts = _parts(config)
    if isinstance(parts.model, Residual):
        return ImageCodec.from_config(parts.codec)
    return _codec(parts.model, parts.codec, parts.model.folder())


def _parts(config: Mapping[str, Any]) -> ImageParts:
    parts = validate(ImageParts, config)
    keys = [key for key in BROUGHT if key in parts.codec]
    if keys and isinstance(parts.model, Pretrained):
        raise UsageError(
            f"The model pretrained brings its own codec.{keys[0]}.",
            hint="model=pretrained leaves it out; model.size=SIDE chooses another size.",
        )
    return parts


def _codec(model: Pretrained, codec: Mapping[str, Any], folder: Path) -> ImageCodec:
    return ImageCodec.from_config({**codec, **images(folder, model.size)})
