"""Does something again and again beside the requests, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from tidemill.domain.errors import TidemillError

log = logging.getLogger(__name__)

EVERY_S = 0.5
CLOSE_S = 5.0

_Check = Callable[[], object]


class Watch:
    """Calls each of the checks every `every_s` seconds. One that fails does not end the others."""

    def __init__(
        self,
        *checks: _Check,
        name: str = "watch",
        warning: str = "A look at the server failed",
        every_s: float = EVERY_S,
    ) -> None:
        self._checks = checks
        self._warning = warning
        self._every_s = every_s
        self._failing: set[_Check] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"tidemill-{name}", daemon=True)

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
            except Exception as error:
                # Once, until it has healed: a lasting fault must not fill the log.
                if check not in self._failing:
                    unexpected = not isinstance(error, TidemillError)
                    log.warning("%s: %s", self._warning, error, exc_info=unexpected)
                self._failing.add(check)
            else:
                self._failing.discard(check)

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self.look()
