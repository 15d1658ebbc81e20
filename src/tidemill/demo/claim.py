"""A claim of the demo: a sentence, and a function that judges it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tidemill.demo.demo_run import DemoRun


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether a claim holds, a sentence with the measured values, and series for the charts."""

    holds: bool
    value: str
    series: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claim:
    """One promise of the product. `judge` runs the product and checks the result.

    `method` says in one or two sentences how it does that. A claim that limits seconds is judged
    `alone`, when no other claim is.
    """

    id: str
    sentence: str
    method: str
    judge: Callable[[DemoRun], Outcome]
    alone: bool = False


class ClaimFailed(Exception):
    """A claim does not hold; the message says what was measured instead."""


def expect(condition: object, message: str) -> None:
    """Return when the condition is true. Raises ClaimFailed."""
    if not condition:
        raise ClaimFailed(message)
