"""The rule of every alias, for all ledgers."""

from __future__ import annotations

from tidemill.domain.errors import Conflict, GateRefused
from tidemill.domain.types import Alias, Verdict


def guard_alias(to: Alias, verdict: Verdict, now: Alias | None, expected: str | None) -> None:
    """Let an alias move only with a verdict that allows it, from the version it was judged against.

    `now` is where it points in the same unit of work. Raises GateRefused and Conflict.
    """
    if verdict.version != to.version or not verdict.allows:
        raise GateRefused(f"Verdict {to.verdict} does not let {to.version} be {to.name}.")
    if (now.version if now else None) != expected:
        raise Conflict(f"{to.name} is no longer {expected}.")
