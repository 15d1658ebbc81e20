"""The part of an experiment that every recipe with generated data has."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Choice(BaseModel):
    """One choice of a group; a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SampleData(Choice):
    """Generated examples: how many per split, from which seed."""

    name: Literal["sample"]
    seed: int = Field(ge=0)
    train: int = Field(ge=1)
    val: int = Field(ge=1)
    test: int = Field(ge=0)
