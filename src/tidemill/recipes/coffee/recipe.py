"""Coffee leaf diseases, the training side: one image of a leaf, one disease."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from tidemill.codecs.image import ImageCodec
from tidemill.data.folder import FolderSource
from tidemill.data.hub import hub_url
from tidemill.data.image_rows import image_source
from tidemill.data.remote import RemoteFile, RemoteSource
from tidemill.domain.ports import Source
from tidemill.domain.types import Split
from tidemill.learn.image_model import ImageModel, check_images, image_codec
from tidemill.recipes.recipe import Config
from tidemill.recipes.shared.archive import OFFLINE, ArchiveData, open_archive
from tidemill.recipes.shared.leaves import Sample
from tidemill.recipes.shared.sample_data import Choice, SampleData
from tidemill.recipes.shared.sample_images import SampleSource
from tidemill.validation import validate

TARGET = "disease"


class FolderData(Choice):
    """A person's own images."""

    name: Literal["folder"]
    path: Path


class HubData(Choice):
    """Parquet files of a data set on a hub, at one commit. `classes` names numbered labels."""

    name: Literal["hub"]
    host: str
    repository: str
    revision: str
    train: tuple[str, ...] = Field(min_length=1)
    val: tuple[str, ...]
    test: tuple[str, ...]
    image: str
    label: str
    classes: tuple[str, ...]


class Parts(BaseModel):
    """The part of an experiment that only this recipe reads."""

    data: Annotated[SampleData | FolderData | ArchiveData | HubData, Field(discriminator="name")]
    model: ImageModel


class Coffee:
    """Fulfils `recipes.recipe.Recipe`."""

    name = "coffee"
    description = "Coffee leaf diseases from an image of the leaf"
    conf = Path(__file__).parent / "conf"

    def check(self, config: Config) -> None:
        validate(Parts, config)
        check_images(config)

    def codec(self, config: Config) -> ImageCodec:
        return image_codec(config)

    def source(self, config: Config, samples: Path) -> Source:
        data = validate(Parts, config).data
        if isinstance(data, FolderData):
            return FolderSource(data.path, TARGET)
        if isinstance(data, ArchiveData):
            return open_archive(data, TARGET, samples)
        if isinstance(data, HubData):
            return _from_hub(data, samples)
        size = self.codec(config).settings
        counts = data.model_dump(exclude={"name"})
        return SampleSource(samples, Sample(size=(size.width, size.height), **counts))


def _from_hub(data: HubData, cache: Path) -> RemoteSource:
    """Return a source of remote files; each is fetched once, and its digest must not change."""
    named: dict[Split, tuple[str, ...]] = {
        "train": data.train,
        "val": data.val,
        "test": data.test,
    }
    files = {
        split: [
            RemoteFile(
                hub_url(data.repository, data.revision, path, host=data.host),
                cache,
                offline=OFFLINE,
            )
            for path in paths
        ]
        for split, paths in named.items()
    }
    rows = image_source(
        "hub",
        {split: [file.path for file in of] for split, of in files.items()},
        TARGET,
        image=data.image,
        label=data.label,
        classes=data.classes,
    )
    return RemoteSource(rows, [file for of in files.values() for file in of])
