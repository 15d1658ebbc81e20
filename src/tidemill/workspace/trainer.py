"""Open the training of a recipe. Torch is loaded here, and only for trainings that use it."""

from __future__ import annotations

import os
from functools import partial

from tidemill.domain.errors import Unavailable
from tidemill.learn.training_result import Trainer
from tidemill.plugins import find_plugins


def open_trainer(recipe: str) -> Trainer:
    """Return the training of a recipe. Call it before reading data, to report missing parts first.

    A recipe's own training comes first, and loads torch only if it needs it. Raises Unavailable
    when the recipe has no training, or two, and when its entry point cannot be loaded. Without the
    extra, the error names the command that installs it.
    """
    own = find_plugins("tidemill.trainers", recipe)
    networks = find_plugins("tidemill.networks", recipe)
    named = own or networks
    if len(named) != 1:
        many = f"{len(named)} trainings" if named else "no training"
        raise Unavailable(
            f"The recipe {recipe} has {many}.",
            hint="Its package must name one entry point in the group tidemill.networks, or in "
            "tidemill.trainers.",
        )
    (point,) = named
    # OpenMP's threads spin for milliseconds while they wait for one another. Beside other work, a
    # training then takes several times as long. A short spin is faster than that and than none, and
    # the weights are the same. OpenMP reads the variable when torch loads.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        if own:
            training: Trainer = point.load()
            return training
        from tidemill.learn.trainer import train

        return partial(train, point.load())
    except AttributeError as error:
        raise Unavailable(
            f"{point.value}, the training of the recipe {recipe}, cannot be loaded: {error}.",
            hint=f"Its package names it in the group {point.group}.",
        ) from error
    except ImportError as error:
        raise Unavailable(
            f"Training needs {error.name}, which is not installed.",
            hint="pip install 'tidemill[train]'",
        ) from error
