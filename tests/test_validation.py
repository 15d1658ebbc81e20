"""Values from outside: the key that is at fault is named as a person wrote it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from tidemill.domain.errors import UsageError
from tidemill.validation import validate


class Sample(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Literal["sample"]
    train: int = Field(ge=1)


class Files(BaseModel):
    name: Literal["files"]
    paths: list[int | None]


class Parts(BaseModel):
    data: Annotated[Sample | Files, Field(discriminator="name")]
    seed: int | str = 0


def test_what_fits_is_typed() -> None:
    parts = validate(Parts, {"data": {"name": "sample", "train": 3}})
    assert parts.data == Sample(name="sample", train=3)


@pytest.mark.parametrize(
    ("tree", "key"),
    [
        ({"data": {"name": "sample", "train": 0}}, "data.train"),
        ({"data": {"name": "sample", "train": 1, "sample": 2}}, "data.sample"),
        ({"data": {"name": "sample"}}, "data.train"),
        ({"data": {"name": "files", "paths": [1, "x"]}}, "data.paths.1"),
        ({"data": {"name": "hub"}}, "data"),
        ({"data": {}}, "data"),
        ({}, "data"),
        ({"data": {"name": "sample", "train": 1}, "seed": []}, "seed"),
    ],
)
def test_the_key_at_fault_is_named_as_it_was_written(tree: dict[str, Any], key: str) -> None:
    with pytest.raises(UsageError, match=rf"^{key} does not fit: "):
        validate(Parts, tree)
