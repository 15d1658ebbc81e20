"""The network that learns coffee leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidemill.learn.residual import ResidualCNN
from tidemill.recipes.recipe import Config


def build(config: Config, labels: Mapping[str, Sequence[str]]) -> ResidualCNN:
    """A small residual network with a head per target."""
    codec = config["codec"]
    return ResidualCNN(
        {target: len(names) for target, names in labels.items()},
        codec["mean"],
        codec["std"],
        width=config["model"]["width"],
        seed=config["seed"],
    )
