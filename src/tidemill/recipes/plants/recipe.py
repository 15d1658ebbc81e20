"""Plants and their diseases, the training side: one image of a leaf, three targets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from tidemill.codecs.image import ImageCodec
from tidemill.data.folder import FolderSource
from tidemill.domain.ports import Source
from tidemill.domain.types import Labels
from tidemill.learn.image_model import ImageModel, check_images, image_codec
from tidemill.recipes.plants.naming import merge_plant_labels, plant_labels
from tidemill.recipes.plants.sample import leaves
from tidemill.recipes.recipe import Config
from tidemill.recipes.shared.archive import ArchiveData, open_archive
from tidemill.recipes.shared.leaves import Sample
from tidemill.recipes.shared.sample_data import Choice, SampleData
from tidemill.recipes.shared.sample_images import SampleSource
from tidemill.validation import validate


class FolderData(Choice):
    """A person's own images, in folders named `Plant___disease`."""

    name: Literal["folder"]
    path: Path


class Parts(BaseModel):
    """The part of an experiment that only this recipe reads."""

    data: Annotated[SampleData | FolderData | ArchiveData, Field(discriminator="name")]
    model: ImageModel


class Plants:
    """Fulfils `recipes.recipe.Recipe` and `Merging`."""

    name = "plants"
    description = "Plants and their diseases from an image of a leaf"
    conf = Path(__file__).parent / "conf"

    def check(self, config: Config) -> None:
        validate(Parts, config)
        check_images(config)

    def codec(self, config: Config) -> ImageCodec:
        return image_codec(config)

    def source(self, config: Config, samples: Path) -> Source:
        data = validate(Parts, config).data
        if isinstance(data, FolderData):
            return FolderSource(data.path, labels=plant_labels)
        if isinstance(data, ArchiveData):
            return open_archive(data, plant_labels, samples)
        size = self.codec(config).settings
        return SampleSource(
            samples,
            Sample(size=(size.width, size.height), **data.model_dump(exclude={"name"})),
            kind="plants",
            version=leaves.PAINTER_VERSION,
            paint=leaves.examples,
            labels=plant_labels,
        )

    def merge_labels(self, known: Labels, feedback: Labels) -> Labels:
        return merge_plant_labels(known, feedback)
