"""Pebbles, the training side: three measurements, one stone."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tidemill.recipes.recipe import Config
from tidemill.testing.tiny_recipe.codec import PebbleCodec
from tidemill.testing.tiny_recipe.pebbles import PebbleSource
from tidemill.validation import validate


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GeneratedData(_Part):
    """How many pebbles per split, from which seed, on which instruments."""

    name: Literal["generated"]
    seed: int = Field(ge=0)
    train: int = Field(ge=1)
    val: int = Field(ge=1)
    test: int = Field(ge=0)
    shift: float = Field(allow_inf_nan=False)


class PerceptronModel(_Part):
    """The network's size: so many units in its one hidden layer."""

    name: Literal["perceptron"]
    hidden: int = Field(ge=1, le=256)


class Parts(BaseModel):
    """The part of an experiment that only this recipe reads."""

    data: GeneratedData
    model: PerceptronModel


class PebbleRecipe:
    """Fulfils `recipes.recipe.Recipe`."""

    name = "pebble"
    description = "The stone of a pebble from its measurements"
    conf = Path(__file__).parent / "conf"

    def check(self, config: Config) -> None:
        validate(Parts, config)
        self.codec(config)

    def codec(self, config: Config) -> PebbleCodec:
        return PebbleCodec.from_config(config["codec"])

    def source(self, config: Config, samples: Path) -> PebbleSource:
        data = validate(Parts, config).data
        return PebbleSource(**data.model_dump(exclude={"name"}))
