"""A child process that ends with its parent, however the parent ends.

The parent starts the child with a pipe as its stdin and keeps the other end, which the operating
system closes when the parent dies. So an end of input means that nobody is there any more.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

PATIENCE = 30.0
"""Seconds that a child may take to clean up once its parent is gone."""


def watch(gone: Callable[[], None]) -> None:
    """Call `gone`, on a thread of its own, when stdin is closed. What comes in is ignored."""
    threading.Thread(target=_wait, args=(gone,), name="tidemill-parent", daemon=True).start()


def interrupt_when_gone() -> None:
    """Raise KeyboardInterrupt on the main thread, as Ctrl-C does, when the parent is gone.

    One interruption at most is raised, so that a second one does not cut off what the first one
    has cleaned up; a process that does not end by it within PATIENCE is ended hard.
    """
    # A shell starts background processes with this signal ignored; then nothing could interrupt.
    signal.signal(signal.SIGINT, _once)
    watch(_interrupt)


def _wait(gone: Callable[[], None]) -> None:
    # The descriptor, not `sys.stdin`: a thread that waits in there keeps Python from ending.
    while os.read(0, 4096):
        pass
    gone()


def _interrupt() -> None:
    if sys.platform == "win32":
        _thread.interrupt_main()
    else:
        # A real signal, sent to the main thread, also wakes it where it waits for a lock.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    threading.Event().wait(PATIENCE)
    os._exit(130)


def _once(_signal: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt
