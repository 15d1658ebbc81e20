"""The part of an experiment that every recipe with generated data has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tidemill.domain.errors import UsageError


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


def check_shares(subject: str, knobs: Mapping[str, float]) -> None:
    """Raise UsageError for a knob that is no share; `subject` has them, as "A voice"."""
    for name, value in knobs.items():
        if not 0 <= value <= 1:
            raise UsageError(f"{subject} cannot have {name}={value}.", hint="Every knob is 0 to 1.")
