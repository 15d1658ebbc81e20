"""What lets two workers of xdist share two processors.

Each has one thread of numpy and torch: more threads than processors wait for one another, and burn
time while they wait. A test that asks for a number of threads still gets it. And the garbage
collector of a worker does not look through torch and all else that was imported, again and again.

A pytest plugin; `tests/conftest.py` loads it for every test.
"""

from __future__ import annotations

import gc
import os

import pytest

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What the libraries read as they are loaded; whoever sets one is obeyed."""


def pytest_configure(config: pytest.Config) -> None:
    """Set them before xdist starts its workers, which inherit them."""
    if config.getoption("numprocesses", None):
        for name in VARIABLES:
            os.environ.setdefault(name, "1")


def pytest_collection_finish() -> None:
    """Leave what is loaded now out of every later collection of garbage."""
    gc.collect()
    gc.freeze()
