"""A moving average of a network's weights."""

from __future__ import annotations

from copy import deepcopy

import torch

from tidemill.learn.network import Network


class MovingAverage:
    """A second network whose weights follow the trained one's, smoothed over the last steps.

    The decay grows as (1 + step) / (10 + step) up to `decay`, so that the random initial weights
    are soon forgotten (Polyak averaging with the usual warm-up). Statistics of batch
    normalisation are averaged alike; counters are copied.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.network = deepcopy(network).eval()
        self._decay = decay
        self._step = 0

    @torch.no_grad()
    def follow(self, network: Network) -> None:
        """Move towards the weights after one more step of training."""
        self._step += 1
        decay = min(self._decay, (1 + self._step) / (10 + self._step))
        theirs = network.state_dict()
        for name, mine in self.network.state_dict().items():
            if mine.is_floating_point():
                mine.lerp_(theirs[name], 1 - decay)
            else:
                mine.copy_(theirs[name])
