"""How a training tells what it is doing. Apart from the training, because it needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """Whom to tell: `stage` a name, `step` how many of how many, `epoch` a line of figures."""

    stage: Callable[[str], None] = lambda _: None
    step: Callable[[int, int], None] = lambda _done, _all: None
    epoch: Callable[[str], None] = lambda _: None
