"""What a network answers, without training it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from tidemill.learn.arrays import Pixels
from tidemill.learn.network import ImageNetwork


def infer(
    network: ImageNetwork, images: Pixels, *, batch_size: int = 64
) -> dict[str, npt.NDArray[np.float32]]:
    """All named outputs for images uint8 [n, h, w, 3], in order: `embedding`, `logits_<target>`.

    The network is left in the mode (training or not) it was in.
    """
    before = network.training
    network.eval()
    parts: list[dict[str, torch.Tensor]] = []
    try:
        with torch.inference_mode():
            for start in range(0, len(images), batch_size):
                batch = np.array(images[start : start + batch_size])
                parts.append(network(torch.from_numpy(batch)))
    finally:
        network.train(before)
    return {name: torch.cat([part[name] for part in parts]).numpy() for name in parts[0]}
