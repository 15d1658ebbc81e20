"""The networks that learn topics, and their training on one graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from tidemill.learn.attention import AttentionNetwork
from tidemill.learn.node_trainer import train_nodes
from tidemill.recipes.recipe import Config

__all__ = ["build", "train"]


def build(config: Config, classes: Mapping[str, Sequence[str]]) -> AttentionNetwork:
    """Return graph attention of either kind, with a head per target."""
    model = config["model"]
    return AttentionNetwork(
        {target: len(names) for target, names in classes.items()},
        features=config["codec"]["features"],
        kind=model["name"],
        heads=model["heads"],
        width=model["width"],
        dropout=model["dropout"],
        seed=config["seed"],
    )


train = partial(train_nodes, build)
"""Fulfils `learn.trained.Train`."""
