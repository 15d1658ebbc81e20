"""The network that learns tumours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidemill.codecs.table import TableCodec
from tidemill.learn.table import TableNetwork
from tidemill.recipes.recipe import Config


def build(config: Config, classes: Mapping[str, Sequence[str]]) -> TableNetwork:
    """Two layers over the columns, with a head per target."""
    codec = TableCodec.from_config(config["codec"])
    return TableNetwork(
        {target: len(names) for target, names in classes.items()},
        numbers=len(codec.numbers),
        categories=[len(column.values) for column in codec.categories],
        width=config["model"]["width"],
        seed=config["seed"],
    )
