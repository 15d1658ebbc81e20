"""Choosing the samples that a server must answer rightly before it is ready."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tidemill.bundle import Golden
from tidemill.domain.types import Example

WANTED = 16
DECIDED = 0.5
"""Confidence below which a right answer might turn wrong on a machine that rounds otherwise."""

Floats = npt.NDArray[np.floating[Any]]


def choose(
    probabilities: Mapping[str, Floats],
    truth: Mapping[str, npt.NDArray[np.integer[Any]]],
    *,
    wanted: int = WANTED,
) -> list[int]:
    """Positions of examples whose every target is named rightly, in their order.

    At least one for each label that the model ever names rightly: the surest. The others, about
    `wanted` in all, are spread evenly over the confidences from there down to DECIDED, because a
    probability that is nearly one hardly moves when something is wrong with the graph.
    """
    right = np.logical_and.reduce(
        [probabilities[name].argmax(axis=1) == truth[name] for name in truth]
    )
    sure = np.minimum.reduce([probabilities[name].max(axis=1) for name in truth])
    order = np.argsort(-sure, kind="stable")
    labels = [(name, k) for name in truth for k in range(probabilities[name].shape[1])]
    each = max(1, wanted // len(labels))
    chosen: set[int] = set()
    for name, k in labels:
        queue = [int(at) for at in order if right[at] and truth[name][at] == k]
        decided = [at for at in queue if sure[at] >= DECIDED] or queue[:1]
        places = np.linspace(0, len(decided) - 1, min(each, len(decided))).astype(int)
        chosen.update(decided[place] for place in places)
    return sorted(chosen)


def collect(
    examples: Sequence[Example],
    probabilities: Mapping[str, Floats],
    classes: Mapping[str, Sequence[str]],
) -> list[Golden]:
    """Return the samples:

    `probabilities` [n, k] per target are those of the examples, in their order.
    """
    return [
        Golden(
            example.payload,
            dict(example.labels),
            {
                target: dict(zip(names, map(float, probabilities[target][at]), strict=True))
                for target, names in classes.items()
            },
        )
        for at, example in enumerate(examples)
    ]
