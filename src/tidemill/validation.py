"""Validate plain values with pydantic, and report its errors in our words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tidemill.domain.errors import UsageError

M = TypeVar("M", bound=BaseModel)


def validate(model: type[M], tree: Mapping[str, Any]) -> M:
    """Return the typed form of a tree.

    Raises UsageError naming the key whose value does not fit.
    """
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(_written(first["loc"], tree, missing=first["type"] == "missing"))
        raise UsageError(f"{key} does not fit: {first['msg']}.") from error


def _written(loc: tuple[str | int, ...], tree: object, *, missing: bool) -> Iterator[str]:
    """Yield the parts of an error's path that exist in the tree, and the missing key at its end.

    Pydantic also names the tried member of a union, which is not a key of the tree.
    """
    for at, part in enumerate(loc, start=1):
        inside = isinstance(tree, Mapping) and part in tree
        if inside or (isinstance(tree, list | tuple) and isinstance(part, int)):
            tree = tree[part]  # type: ignore[index]
        elif not (missing and at == len(loc)):
            continue
        yield str(part)
