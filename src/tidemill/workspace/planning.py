"""Resolve a recipe and overrides into a valid experiment."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.adapters.hydra import resolve
from tidemill.experiment import Experiment, read_experiment
from tidemill.recipes.recipe import Recipe, open_recipe


def plan(recipe: str | Recipe, overrides: Sequence[str] = ()) -> tuple[Recipe, Experiment]:
    """Return the recipe and its resolved experiment. Raises UsageError for an invalid setting."""
    chosen = open_recipe(recipe) if isinstance(recipe, str) else recipe
    experiment = read_experiment(resolve(chosen.conf, overrides))
    chosen.check(experiment.tree())
    return chosen, experiment
