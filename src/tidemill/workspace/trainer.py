"""Opens the training of a recipe. Torch is loaded here, and only if that training uses it."""

from __future__ import annotations

import os
from functools import partial
from importlib.metadata import entry_points

from tidemill.domain.errors import Unavailable
from tidemill.learn.training_result import Trainer


def open_trainer(recipe: str) -> Trainer:
    """Return the training of a recipe. Call it before reading data, so that a missing part is said
    first.

    A recipe that brings its own gets that, and torch is loaded only if that does. Raises
    Unavailable when the recipe has no training, or two; when what it names is not there; and,
    naming the command that installs it, when the extra is missing.
    """
    own = entry_points(group="tidemill.trainers", name=recipe)
    networks = entry_points(group="tidemill.networks", name=recipe)
    named = own or networks
    if len(named) != 1:
        many = f"{len(named)} trainings" if named else "no training"
        raise Unavailable(
            f"The recipe {recipe} has {many}.",
            hint="Its package must name one entry point in the group tidemill.networks, or in "
            "tidemill.trainers.",
        )
    (point,) = named
    # OpenMP's threads spin while they wait for one another, by default for milliseconds: beside any
    # other work a training then takes several times as long. Spinning briefly is faster than that
    # and than not at all, and the weights are the same. It is read when torch loads.
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
