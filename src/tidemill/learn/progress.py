"""How a training reports its progress. A module of its own, because it needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """Whom to tell: `stage` a name, `step` how many of how many, `epoch` a line of figures, `warn`
    what a person should know of the data before the training ends."""

    stage: Callable[[str], None] = lambda _: None
    step: Callable[[int, int], None] = lambda _done, _all: None
    epoch: Callable[[str], None] = lambda _: None
    warn: Callable[[Sequence[str]], None] = lambda _: None


SILENT = Progress()
"""Reports nothing."""
