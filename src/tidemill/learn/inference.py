"""Run a network without training it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from tidemill.learn.arrays import EncodedSplit
from tidemill.learn.batches import Batches
from tidemill.learn.network import Network

NetworkOutputs = dict[str, npt.NDArray[np.float32]]
"""`embedding` [n, d] and, per target, `logits_<target>` [n, k]."""


def infer(network: Network, split: EncodedSplit, *, batch_size: int = 64) -> NetworkOutputs:
    """Return all named outputs for the examples of a split, in their order.

    The network is left in the mode (training or not) it was in.
    """
    before = network.training
    network.eval()
    batches = Batches(split, batch_size)
    parts: list[dict[str, torch.Tensor]] = []
    try:
        with torch.inference_mode():
            parts.extend(network(**arrays) for arrays, _ in batches)
    finally:
        network.train(before)
    back = np.argsort(np.concatenate(batches.order()))
    return {name: torch.cat([part[name] for part in parts]).numpy()[back] for name in parts[0]}
