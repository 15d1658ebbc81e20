"""Breast cancer, the training side: thirty measurements, one diagnosis."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from tidemill.codecs.table import TableCodec
from tidemill.recipes.recipe import Config
from tidemill.validation import validate

from breast_cancer.tumours import Tumours


class Data(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Literal["sklearn"]


class Model(BaseModel):
    """`width` is that of the network's two layers."""

    model_config = ConfigDict(extra="forbid")

    name: Literal["table"]
    width: int = Field(ge=4, le=1024)


class Parts(BaseModel):
    """What only this recipe understands of an experiment."""

    data: Data
    model: Model


class BreastCancer:
    """Fulfils `tidemill.recipes.recipe.Recipe`."""

    name = "breast_cancer"
    description = "Whether a tumour is malignant, from measurements of its cells"
    conf = Path(__file__).parent / "conf"

    def check(self, config: Config) -> None:
        validate(Parts, config)
        self.codec(config)

    def codec(self, config: Config) -> TableCodec:
        return TableCodec.from_config(config["codec"])

    def source(self, config: Config, samples: Path) -> Tumours:
        return Tumours()
