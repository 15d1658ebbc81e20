"""Make a training reproducible from its seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def deterministic(seed: int, threads: int) -> Iterator[None]:
    """Seed torch and allow only operations whose result repeats bit for bit.

    That holds on one machine with one number of threads. On leaving, the global generator, the
    number of threads and the setting itself are again what they were.
    """
    strict = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    count = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True)
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(count)
            torch.use_deterministic_algorithms(strict, warn_only=warn_only)
