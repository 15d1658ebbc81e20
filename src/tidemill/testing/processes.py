"""Server and engine as processes, and what a test waits for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import httpx

from tidemill.adapters.child_process import PATIENCE, EngineProcess, ServerProcess
from tidemill.domain.errors import Unavailable
from tidemill.web.slots import SlotState

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


def wait_until_ready(url: str, seconds: float = PATIENCE) -> str:
    """Wait until a server has decided; the reason why it is not ready, empty when it is."""
    deadline = time.monotonic() + seconds
    with httpx.Client(base_url=url, timeout=PATIENCE) as client:
        while time.monotonic() < deadline:
            response = client.get("/v1/ready")
            if response.status_code == httpx.codes.OK:
                return ""
            message = str(response.json()["error"]["message"])
            if message != SlotState().fault:
                return message
            time.sleep(POLL_S)
    return f"it did not decide within {seconds:g} s"


def require_ready(url: str, seconds: float = PATIENCE) -> None:
    """Wait until a server is ready. Raises Unavailable with the reason why it is not."""
    if fault := wait_until_ready(url, seconds):
        raise Unavailable(f"The server is not ready: {fault}")
