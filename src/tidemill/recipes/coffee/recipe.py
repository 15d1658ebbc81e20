"""Coffee leaf diseases, the training side: one picture of a leaf, one disease."""

from __future__ import annotations

from pathlib import Path

from tidemill.codecs.image import ImageCodec
from tidemill.data.folder import FolderSource
from tidemill.data.samples.kept import SampleSource
from tidemill.data.samples.leaves import Sample
from tidemill.domain.errors import UsageError
from tidemill.recipes.recipe import Config

TARGET = "disease"


class Coffee:
    """Fulfils `recipes.recipe.Recipe`."""

    name = "coffee"
    description = "Coffee leaf diseases from a picture of the leaf"
    conf = Path(__file__).parent / "conf"

    def codec(self, config: Config) -> ImageCodec:
        return ImageCodec.from_config(config["codec"])

    def source(self, config: Config, samples: Path) -> FolderSource:
        data = dict(config["data"])
        match data.pop("name"):
            case "sample":
                size = (config["codec"]["width"], config["codec"]["height"])
                return SampleSource(samples, Sample(size=size, **data))
            case "folder":
                return FolderSource(Path(data["path"]), TARGET)
            case other:
                raise UsageError(f"Coffee has no data named {other!r}.")
