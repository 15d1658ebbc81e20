"""Build the untrained network that an experiment's `model` names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.learn.image_classifier import ImageClassifier
from tidemill.learn.image_model import ImageParts, Residual, image_codec
from tidemill.learn.network import Network
from tidemill.learn.residual import ResidualCNN
from tidemill.validation import validate


def build(config: Mapping[str, Any], classes: Mapping[str, Sequence[str]]) -> Network:
    """Return a small residual network from scratch, or a pretrained classifier, with a head per
    target.
    """
    model = validate(ImageParts, config).model
    targets = {target: len(names) for target, names in classes.items()}
    settings = image_codec(config).settings
    if isinstance(model, Residual):
        return ResidualCNN(
            targets, settings.mean, settings.std, width=model.width, seed=config["seed"]
        )
    return ImageClassifier.pretrained(
        model.folder(),
        targets,
        settings.mean,
        settings.std,
        size=(settings.width, settings.height),
        frozen=model.frozen,
        dropout=model.dropout,
        seed=config["seed"],
    )
