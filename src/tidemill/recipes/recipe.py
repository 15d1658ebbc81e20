"""The contract of a recipe's training side.

A recipe says where examples come from, how a payload becomes arrays and which network learns from
them; everything else is the product's. It is found by entry points of the same name:

    tidemill.recipes    a class that is made without arguments and fulfils `Recipe`; no torch
    tidemill.networks   `build(config, labels)`, giving an untrained network; the trainer loads it
    tidemill.trainers   `learn.trained.Train`, in place of a network: the recipe trains by itself,
                        with whatever it likes, and torch is never loaded
    tidemill.routes     `build(server)`, the recipe's own HTTP routes; the server loads it
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from tidemill.codecs.codec import Codec
from tidemill.domain.errors import UsageError
from tidemill.domain.ports import Source
from tidemill.domain.types import Labels
from tidemill.plugins import find_plugins, plugin_names

RECIPES = "tidemill.recipes"
"""The group of the recipes' entry points."""

Config = Mapping[str, Any]
"""The resolved experiment, as plain values."""


class Recipe(Protocol):
    """`conf` is the folder of the recipe's Hydra groups; its root is `config.yaml`."""

    name: str
    description: str
    conf: Path

    def check(self, config: Config) -> None:
        """Validate the parts that only the recipe knows. Raises UsageError naming the key."""

    def codec(self, config: Config) -> Codec[Any]:
        """Return the codec. Raises UsageError for a value it cannot take."""

    def source(self, config: Config, samples: Path) -> Source:
        """Return the source of examples. `samples` is a folder for generated data.

        Raises DataError when the data is missing or empty.
        """


@runtime_checkable
class Merging(Protocol):
    """A recipe whose targets depend on one another. Without it, each target stands alone."""

    def merge_labels(self, known: Labels, feedback: Labels) -> Labels:
        """Return an example's labels after feedback: a `data.retraining_set.Merge`.

        `known` is empty for a new example. A target without a label is dropped. Raises
        DataError when they contradict each other; then nothing is learnt from them.
        """


def known_recipes() -> list[str]:
    """Return the names of every installed recipe."""
    return plugin_names(RECIPES)


def open_recipe(name: str) -> Recipe:
    """Return the installed recipe of that name. Raises UsageError naming the closest one."""
    for point in find_plugins(RECIPES, name):
        recipe: Recipe = point.load()()
        return recipe
    close = difflib.get_close_matches(name, known_recipes(), n=1)
    raise UsageError(
        f"There is no recipe {name!r}.",
        hint=f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known_recipes())}.",
    )
