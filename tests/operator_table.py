"""The table of ONNX operators of torch's exporter, built once in a process of tests.

Every export builds it anew from the sources of all operators, which takes longer than a small
network does. The product exports once in a process and gains nothing.

A pytest plugin; `tests/conftest.py` loads it for every test.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

MODULE = "torch.onnx._internal.exporter._registration"
"""It is loaded by a first export."""
BUILD = "from_torchlib"


def share_table() -> Callable[..., Any] | None:
    """Let all further exports share one table; return what builds it once it is loaded."""
    module = sys.modules.get(MODULE)
    if module is None:
        return None
    registry: Any = module.ONNXRegistry
    if not hasattr(build := getattr(registry, BUILD), "cache_info"):
        setattr(registry, BUILD, staticmethod(cache(build)))
    shared: Callable[..., Any] = getattr(registry, BUILD)
    return shared


def pytest_runtest_setup() -> None:
    """Share it as soon as some test before this one has exported."""
    share_table()
