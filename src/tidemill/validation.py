"""Values from outside, made typed: pydantic's complaints in our words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tidemill.domain.errors import UsageError

M = TypeVar("M", bound=BaseModel)


def validated(model: type[M], tree: Mapping[str, Any]) -> M:
    """The typed form of a tree. Raises UsageError naming the key whose value does not fit."""
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{key} does not fit: {first['msg']}.") from error
