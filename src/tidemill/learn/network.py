"""The contract of a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Generator, Tensor, nn

from tidemill.domain.types import Classes
from tidemill.learn.plan import TrainPlan

EMBEDDING = "embedding"

Tensors = dict[str, Tensor]
"""A codec's arrays by name, as tensors."""


def logits_of(target: str) -> str:
    """Return the name of a target's output, in the network as in the exported graph."""
    return f"logits_{target}"


class Network(nn.Module):
    """Maps a codec's arrays to one row of named outputs per example. It can be fitted and exported.

    `forward` takes the codec's arrays by their names, batch first, and gives `embedding` [n, d]
    and, per target, `logits_<target>` [n, k], all float32.
    """

    targets: dict[str, int]
    """Target name -> number of labels."""
    ragged: tuple[str, ...] = ()
    """The arrays whose second axis differs between batches."""

    def varied(self, arrays: Tensors, generator: Generator, plan: TrainPlan) -> Tensors:
        """Return a training batch with random changes that keep its labels true."""
        return arrays


NetworkFactory = Callable[[Mapping[str, Any], Classes], Network]
"""Makes an untrained network from the resolved experiment and the classes."""
