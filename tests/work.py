"""The cost of a call, counted: calls and bytes, which a busy machine does not change."""

from __future__ import annotations

import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import ParamSpec

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Work:
    """`calls` of Python and C functions in this thread; `peak` bytes allocated at one time."""

    calls: int
    peak: int


def measure_work(action: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Work:
    """Run an action three times: to fill the caches, to count its calls, to trace its memory."""
    action(*args, **kwargs)
    calls = count_calls(action, *args, **kwargs).total()
    tracemalloc.start()
    try:
        action(*args, **kwargs)
        return Work(calls, tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def count_calls(action: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Counter[str]:
    """How often an action calls each function, by qualified name. Other threads are not seen."""
    calls: Counter[str] = Counter()

    def note(frame: FrameType, event: str, function: object) -> None:
        if event == "call":
            calls[frame.f_code.co_qualname] += 1
        elif event == "c_call":
            calls[getattr(function, "__qualname__", repr(function))] += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        action(*args, **kwargs)
    finally:
        sys.setprofile(before)
    calls["setprofile"] -= 1  # the one that ends the count
    return +calls
