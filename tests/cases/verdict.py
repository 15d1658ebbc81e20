"""What a case says in the end: the right behaviour holds, or it falls short of it."""

from __future__ import annotations

from typing import Literal

import pytest

Room = Literal["judge", "engine", "serving", "data", "everyday"]


class FallsShort(AssertionError):
    """The product does not behave as the case demands. Only `require` raises it."""


def require(holds: bool, sentence: str) -> None:
    """State the verdict of a case. `sentence` tells the measured figure and the bound."""
    if not holds:
        raise FallsShort(sentence)


def falls_short(room: Room, reason: str) -> pytest.MarkDecorator:
    """Mark a case whose `require` is known to fail today.

    Any other exception is a real failure, and so is a case that holds under this mark.
    """
    return pytest.mark.xfail(raises=FallsShort, strict=True, reason=f"{room}: {reason}")
