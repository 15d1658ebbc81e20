"""Waiting for a server that was started."""

from __future__ import annotations

import time

import httpx

from tidemill.domain.errors import Unavailable
from tidemill.web.slots import SlotState

PATIENCE = 60.0
PAUSE = 0.01
"""Seconds between two looks. The looking itself costs the server little at this pace."""


def await_ready(url: str) -> None:
    """Return as soon as a proved model is served. Raises Unavailable, saying what is wrong."""
    deadline = time.monotonic() + PATIENCE
    with httpx.Client(base_url=url, timeout=PATIENCE) as client:
        while time.monotonic() < deadline:
            response = client.get("/v1/ready")
            if response.status_code == httpx.codes.OK:
                return
            message = response.json()["error"]["message"]
            if message != SlotState().fault:
                raise Unavailable(f"The server is not ready: {message}")
            time.sleep(PAUSE)
    raise Unavailable(f"The server was not ready within {PATIENCE:g} s.")
