"""Server and engine as processes, and what a test waits for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from tidemill.adapters.child_process import (
    EngineProcess,
    ServerProcess,
    require_ready,
    wait_until_ready,
)

__all__ = ["EngineProcess", "ServerProcess", "require_ready", "wait_for", "wait_until_ready"]

POLL_S = 0.02
"""Seconds between two looks; at this pace they cost the server little."""

T = TypeVar("T")


def wait_for(
    condition: Callable[[], T | None], what: str, seconds: float = 60.0, *, pause: float = POLL_S
) -> T:
    """Poll until the condition gives something true, and return that. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while True:
        if result := condition():
            return result
        if time.monotonic() >= deadline:
            raise TimeoutError(f"{what} did not come within {seconds:g} s")
        time.sleep(pause)
