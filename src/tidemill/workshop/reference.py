"""The reference of a bundle: what its very graph saw in the examples that it was not fitted on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np

from tidemill.adapters.onnx import OnnxRuntime
from tidemill.codecs.codec import Codec
from tidemill.data.opened import OpenSnapshot
from tidemill.domain.errors import BadPayload, DataError
from tidemill.domain.types import Example
from tidemill.predictor import Look, Model
from tidemill.profile import Reference

BATCH = 64
"""Payloads that are held at a time."""


def reference_of(
    files: Mapping[str, bytes],
    codec: Codec[Any],
    labels: Mapping[str, Sequence[str]],
    snapshot: OpenSnapshot,
) -> bytes:
    """`reference.npz` for a bundle's other files, of the snapshot's splits `val` and `fresh`.

    The codec, label names and graph are those that will serve, so that what drifts is the data.
    What is kept of each example is its features, probabilities and embedding. Raises DataError when
    there is none or one cannot be read (its origin is named), Corrupt when the graph does not fit.
    """
    model = Model(codec, labels, OnnxRuntime(files["model.onnx"], threads=os.cpu_count() or 1))
    features: list[Mapping[str, float]] = []
    answered, embedded = [], []
    for batch in _batches(chain(snapshot.rows("val"), snapshot.rows("fresh"))):
        looks = [_look(model, example) for example in batch]
        probabilities, embedding = model.outputs([look.item for look in looks])
        features += [look.features for look in looks]
        answered.append(probabilities)
        embedded.append(embedding)
    if not features:
        raise DataError(f"Snapshot {snapshot.snapshot.id[:12]} has no val or fresh examples.")
    together = {name: np.concatenate([part[name] for part in answered]) for name in labels}
    return Reference.build(features, together, np.concatenate(embedded), labels).to_bytes()


def _look(model: Model, example: Example) -> Look:
    try:
        return model.look(example.payload)
    except BadPayload as error:
        raise DataError(f"{example.origin}: {error.message}", hint=error.hint) from error


def _batches(rows: Iterable[Example]) -> Iterator[list[Example]]:
    stream = iter(rows)
    while batch := list(islice(stream, BATCH)):
        yield batch
