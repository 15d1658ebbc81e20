"""A stop takes a bounded time, whatever still runs."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger(__name__)

STOP_S = 9.0
"""Time from the signal to the end of the process. `docker stop` waits 10 s before it kills."""
ANSWER_S = 6.0
"""Time of it that requests in progress have. What is still being decoded then gets a 503."""
CONNECTION_S = 7.0
"""When connections that are still open are closed."""
OVERRAN = 1
"""Exit code of a process that did not end by itself."""

Stop = Callable[[], None]
"""Ends a server as a signal does."""


@contextmanager
def handle_signals(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Call `handler` on SIGTERM and SIGINT in the block. Only the main thread gets signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = (signal.SIGINT, signal.SIGTERM)
    before = {name: signal.signal(name, handler) for name in names}
    try:
        yield
    finally:
        for name, earlier in before.items():
            signal.signal(name, earlier)


class StopTimer:
    """Ends the process STOP_S after `start`, if it has not ended by then.

    A thread that waits for a locked file or runs native code cannot be ended alone, and Python
    waits for it at its exit. Each answered prediction is in the log by then.
    """

    def __init__(self, end: Callable[[int], object] = os._exit, seconds: float = STOP_S) -> None:
        self._end = end
        self._seconds = seconds
        self._timer: threading.Timer | None = None

    def start(self) -> None:
        """Begin to count; later calls change nothing. A handler of signals may call this."""
        if self._timer is None:
            self._timer = timer = threading.Timer(self._seconds, self._overran)
            timer.daemon = True
            timer.start()

    def _overran(self) -> None:
        log.error("The server did not stop within %g s, so its process was ended.", self._seconds)
        self._end(OVERRAN)
