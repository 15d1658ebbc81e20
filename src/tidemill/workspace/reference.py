"""The reference of a bundle: what its very graph saw in the examples that it was not fitted on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice

import numpy as np

from tidemill.adapters.onnx import OnnxRuntime
from tidemill.codecs.codec import open_codec
from tidemill.data.open_snapshot import OpenSnapshot
from tidemill.data.retraining_set import SOURCE
from tidemill.domain.errors import BadPayload, DataError
from tidemill.domain.types import Example, Split
from tidemill.predictor import Model, Preprocessed
from tidemill.profile import Reference

BATCH = 64
"""Payloads that are held at a time."""
HELD_OUT: tuple[Split, ...] = ("val", "fresh")
ENOUGH = 50
"""Held-out rows of feedback from which on they alone are the reference. Bins of fewer would be luck
that every window repeats."""


def reference_of(
    files: Mapping[str, bytes], classes: Mapping[str, Sequence[str]], snapshot: OpenSnapshot
) -> bytes:
    """`reference.npz` for a bundle's other files, of the snapshot's splits `val` and `fresh`.

    Where enough of these rows came from feedback, only those count: they are a sample of what
    clients ask now, while all of them together are a mixture that no traffic looks like.
    The codec, label names and graph are those that will serve, so that what drifts is the data: a
    training may have put into the bundle's codec what the recipe's has not. What is kept of each
    example is its features, probabilities and embedding. Raises DataError when there is none, one
    cannot be read (its origin is named) or the files lack a codec or a graph; Corrupt when the
    graph does not fit.
    """
    if missing := [name for name in ("codec.json", "model.onnx") if name not in files]:
        raise DataError(f"The bundle lacks {', '.join(missing)}.")
    codec = open_codec(**json.loads(files["codec.json"]))
    model = Model(codec, classes, OnnxRuntime(files["model.onnx"], threads=os.cpu_count() or 1))
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
    """Yield the rows that the traffic is held against."""
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
