"""Coffee leaf diseases, the training side: one picture of a leaf, one disease."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from tidemill.codecs.image import ImageCodec
from tidemill.data.folder import FolderSource
from tidemill.data.samples.kept import SampleSource
from tidemill.data.samples.leaves import Sample
from tidemill.recipes.recipe import Config
from tidemill.recipes.sample import Choice, SampleData
from tidemill.validation import validated

TARGET = "disease"


class FolderData(Choice):
    """A person's own pictures."""

    name: Literal["folder"]
    path: Path


class Model(Choice):
    """The network's size; `width` is its number of channels after the first block."""

    name: Literal["residual_cnn"]
    width: int = Field(ge=4, le=256)


class Parts(BaseModel):
    """What only this recipe understands of an experiment."""

    data: Annotated[SampleData | FolderData, Field(discriminator="name")]
    model: Model


class Coffee:
    """Fulfils `recipes.recipe.Recipe`."""

    name = "coffee"
    description = "Coffee leaf diseases from a picture of the leaf"
    conf = Path(__file__).parent / "conf"

    def check(self, config: Config) -> None:
        validated(Parts, config)
        self.codec(config)

    def codec(self, config: Config) -> ImageCodec:
        return ImageCodec.from_config(config["codec"])

    def source(self, config: Config, samples: Path) -> FolderSource:
        data = validated(Parts, config).data
        if isinstance(data, FolderData):
            return FolderSource(data.path, TARGET)
        codec = self.codec(config)
        counts = data.model_dump(exclude={"name"})
        return SampleSource(
            samples, Sample(size=(codec.settings.width, codec.settings.height), **counts)
        )
