"""One thread of numpy and torch for each worker of xdist, which has one processor.

More threads than processors wait for one another, and burn time while they wait. A test that asks
for a number of threads still gets it.

A pytest plugin; `tests/conftest.py` loads it for every test.
"""

from __future__ import annotations

import os

import pytest

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What the libraries read as they are loaded; whoever sets one is obeyed."""


def pytest_configure(config: pytest.Config) -> None:
    """Set them before xdist starts its workers, which inherit them."""
    if config.getoption("numprocesses", None):
        for name in VARIABLES:
            os.environ.setdefault(name, "1")
