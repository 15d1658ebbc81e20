"""Keys that one JSON object names twice. Parsers keep the last value and say nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

LONGEST = 80
"""Characters of a key in a message."""


class DoubledKey(ValueError):
    """An object names `key` twice."""

    def __init__(self, key: str) -> None:
        self.key = key[:LONGEST]
        super().__init__(f"The key {self.key!r} stands twice in one object")


def unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of its pairs, as a hook of `json.loads`. Raises DoubledKey."""
    content = dict(pairs)
    if len(content) != len(pairs):
        _refuse(pairs)
    return content


def refuse_doubled_keys(content: bytes) -> None:
    """Raise DoubledKey when an object of a JSON text has a key twice. The text must be valid."""
    # Numbers stay texts: nothing is built but the keys.
    json.loads(content.decode(), object_pairs_hook=_check, parse_int=str, parse_float=str)


def _check(pairs: Sequence[tuple[str, Any]]) -> None:
    if len(pairs) > 1 and len({key for key, _ in pairs}) != len(pairs):
        _refuse(pairs)


def _refuse(pairs: Sequence[tuple[str, Any]]) -> None:
    keys = [key for key, _ in pairs]
    raise DoubledKey(next(key for key in keys if keys.count(key) > 1))
