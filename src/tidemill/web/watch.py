"""Looks after the server several times a second: runs that hang, the log, the bundle's files."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

EVERY_S = 0.5
CLOSE_S = 5.0


class Watch:
    """Calls each of the checks again and again, in a thread of its own."""

    def __init__(self, *checks: Callable[[], None], every_s: float = EVERY_S) -> None:
        self._checks = checks
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tidemill-watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        if self._thread.ident:
            self._thread.join(CLOSE_S)

    def look(self) -> None:
        """Make every check once."""
        for check in self._checks:
            try:
                check()
            except Exception:
                # One check that fails must not end the others.
                log.exception("A look at the server failed")

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self.look()
