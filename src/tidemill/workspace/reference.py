"""Compute the reference of a bundle from examples that its model was not fitted on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice

import numpy as np

from tidemill.adapters.onnx import OnnxRuntime
from tidemill.adapters.processors import available_processors
from tidemill.codecs.codec import open_codec
from tidemill.data.open_snapshot import OpenSnapshot
from tidemill.data.retraining_set import SOURCE
from tidemill.domain.errors import BadPayload, DataError
from tidemill.domain.types import Example, Split
from tidemill.predictor import Model, Preprocessed
from tidemill.profile import Reference

BATCH = 64
"""The number of payloads in memory at a time."""
HELD_OUT: tuple[Split, ...] = ("val", "fresh")
ENOUGH = 50
"""The number of held-out feedback rows from which they alone are the reference.

With fewer rows, chance would decide the bins.
"""


def reference_of(
    files: Mapping[str, bytes], classes: Mapping[str, Sequence[str]], snapshot: OpenSnapshot
) -> bytes:
    """Return `reference.npz` for a bundle's other files, from the splits `val` and `fresh`.

    With enough rows from feedback only those count: they are a sample of today's requests, while
    the mixture with older rows is like no traffic. Codec, classes and graph are those of the
    bundle, so that a difference means changed data; a training may have changed the recipe's codec.
    The reference stores the features, probabilities and embedding of each example. Raises DataError
    when there is no example, when one cannot be read (its origin is named) and when the files lack
    a codec or a graph. Raises Corrupt when the graph does not fit.
    """
    if missing := [name for name in ("codec.json", "model.onnx") if name not in files]:
        raise DataError(f"The bundle lacks {', '.join(missing)}.")
    codec = open_codec(**json.loads(files["codec.json"]))
    model = Model(codec, classes, OnnxRuntime(files["model.onnx"], threads=available_processors()))
    features: list[Mapping[str, float]] = []
    answered, embedded = [], []
    for batch in _batches(_held_out(snapshot)):
        preprocessed = [_preprocess(model, example) for example in batch]
        measured, probabilities, embedding = model.profile_rows(preprocessed)
        features += measured
        answered.append(probabilities)
        embedded.append(embedding)
    if not features:
        raise DataError(f"Snapshot {snapshot.snapshot.id[:12]} has no val or fresh examples.")
    together = {name: np.concatenate([part[name] for part in answered]) for name in classes}
    return Reference.build(features, together, np.concatenate(embedded), classes).to_bytes()


def _held_out(snapshot: OpenSnapshot) -> Iterator[Example]:
    """Yield the rows of the reference."""
    held_out = chain.from_iterable(snapshot.rows(split, payloads=False) for split in HELD_OUT)
    only_feedback = sum(row.source == SOURCE for row in held_out) >= ENOUGH
    for row in chain.from_iterable(snapshot.rows(split) for split in HELD_OUT):
        if row.source == SOURCE or not only_feedback:
            yield row


def _preprocess(model: Model, example: Example) -> Preprocessed:
    try:
        return model.preprocess(example.payload)
    except BadPayload as error:
        raise DataError(f"{example.origin}: {error.message}", hint=error.hint) from error


def _batches(rows: Iterable[Example]) -> Iterator[list[Example]]:
    stream = iter(rows)
    while batch := list(islice(stream, BATCH)):
        yield batch
