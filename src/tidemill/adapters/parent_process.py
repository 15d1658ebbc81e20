"""End a child process together with its parent in any case.

The parent starts the child with a pipe as its stdin and keeps the other end open. The operating
system closes it when the parent dies, so the end of the input means that the parent is gone.
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
"""The longest time for a child to clean up after its parent is gone, in seconds."""


def watch(gone: Callable[[], None]) -> None:
    """Call `gone` on a separate thread when stdin is closed. Input is ignored."""
    threading.Thread(target=_wait, args=(gone,), name="tidemill-parent", daemon=True).start()


def interrupt_when_gone() -> None:
    """Raise KeyboardInterrupt on the main thread, as Ctrl-C does, when the parent is gone.

    It is raised at most once, so that a second one does not interrupt the clean-up of the first. A
    process that has not ended after PATIENCE is killed.
    """
    # A shell starts background processes with this signal ignored, so interrupts would be lost.
    signal.signal(signal.SIGINT, _once)
    watch(_interrupt)


def _wait(gone: Callable[[], None]) -> None:
    # The descriptor, not `sys.stdin`: a thread that waits in `sys.stdin` blocks Python's exit.
    while os.read(0, 4096):
        pass
    gone()


def _interrupt() -> None:
    if sys.platform == "win32":
        _thread.interrupt_main()
    else:
        # A real signal to the main thread also wakes it while it waits for a lock.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    threading.Event().wait(PATIENCE)
    os._exit(130)


def _once(_signal: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt
