"""What every network is."""

from __future__ import annotations

from torch import Generator, Tensor, nn

from tidemill.learn.plan import TrainPlan

EMBEDDING = "embedding"

Arrays = dict[str, Tensor]


def logits_of(target: str) -> str:
    """The name of a target's output, in the network as in the exported graph."""
    return f"logits_{target}"


class Network(nn.Module):
    """What can be fitted and exported: a codec's arrays in, one row of named outputs per example.

    `forward` takes the codec's arrays by their names, batch first, and gives `embedding` [n, d]
    and, per target, `logits_<target>` [n, k], all float32.
    """

    targets: dict[str, int]
    """Target name -> number of labels."""
    ragged: tuple[str, ...] = ()
    """The arrays whose second axis differs from batch to batch."""

    def varied(self, arrays: Arrays, generator: Generator, plan: TrainPlan) -> Arrays:
        """A training batch, changed at random in ways that leave its labels true."""
        return arrays
