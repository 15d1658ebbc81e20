"""Tiny images whose class is plain to see, and a codec for them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tidemill.learn.arrays import EncodedSplit
from tidemill.learn.plan import TrainPlan
from tidemill.learn.residual import ResidualCNN
from tidemill.learn.rows import ArrayRows

SIZE = (32, 48)


@pytest.fixture(scope="session")
def split() -> Callable[[int, int], EncodedSplit]:
    """A split of n dark, middling or bright images, by seed."""

    def make(n: int, seed: int) -> EncodedSplit:
        random = np.random.default_rng(seed)
        shade = np.arange(n) % 3
        noise = random.integers(0, 60, (n, *SIZE, 3))
        images = (noise + 70 * shade[:, None, None, None]).astype(np.uint8)
        labels = {"shade": shade.astype(np.int64)}
        return EncodedSplit({"image": ArrayRows.of(images)}, labels, ("sample",) * n)

    return make


@pytest.fixture(scope="session")
def untrained() -> Callable[[], ResidualCNN]:
    """Makes the same network each time."""
    return lambda: ResidualCNN({"shade": 3}, [0.4] * 3, [0.25] * 3, width=8, seed=1)


@pytest.fixture
def network(untrained: Callable[[], ResidualCNN]) -> ResidualCNN:
    return untrained()


@pytest.fixture(scope="session")
def plan() -> TrainPlan:
    return TrainPlan(epochs=3, batch_size=12, learning_rate=0.01, threads=1, warp=0.1)
