"""Build the untrained network that an experiment's `model` names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.learn.network import Network
from tidemill.learn.ngram import NGramNetwork
from tidemill.learn.text_model import NGram, TextParts
from tidemill.learn.transformer import TransformerNetwork
from tidemill.validation import validate


def build(config: Mapping[str, Any], classes: Mapping[str, Sequence[str]]) -> Network:
    """Return hashed n-grams from scratch, or a pretrained encoder, with a head per target."""
    model = validate(TextParts, config).model
    targets = {target: len(names) for target, names in classes.items()}
    if isinstance(model, NGram):
        return NGramNetwork(
            targets,
            buckets=config["codec"]["buckets"],
            dim=model.dim,
            dropout=model.dropout,
            seed=config["seed"],
        )
    return TransformerNetwork.pretrained(
        model.folder(),
        targets,
        pooling=model.pooling,
        dropout=model.dropout,
        seed=config["seed"],
    )
