"""The one rule of every alias, whichever ledger keeps it."""

from __future__ import annotations

from tidemill.domain.errors import Conflict, GateRefused
from tidemill.domain.types import Alias, Verdict


def guard_alias(to: Alias, verdict: Verdict, now: Alias | None, expected: str | None) -> None:
    """Let an alias move only on a verdict that allows it, and from where it was judged.

    `now` is where it points in the same unit of work. Raises GateRefused and Conflict.
    """
    if verdict.version != to.version or not verdict.allows:
        raise GateRefused(f"Verdict {to.verdict} does not let {to.version} be {to.name}.")
    if (now.version if now else None) != expected:
        raise Conflict(f"{to.name} is no longer {expected}.")
