"""What a claim of the demo is: a sentence, and a judge that tries it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tidemill.demo.demo_run import Stage


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether a claim held, the figure that shows it, and rows for the report's images."""

    held: bool
    figure: str
    rows: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claim:
    """One promise of the product. `judge` runs the product and looks at what came out."""

    id: str
    sentence: str
    judge: Callable[[Stage], Outcome]


class Broken(Exception):
    """Raised by a judge whose claim does not hold; the message is the figure that shows it."""


def expect(held: object, otherwise: str) -> None:
    """Go on only when something holds. Raises Broken."""
    if not held:
        raise Broken(otherwise)
