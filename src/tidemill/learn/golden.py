"""Choose the golden samples, which a server must answer correctly before it is ready."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tidemill.bundle import Golden
from tidemill.domain.types import Example

WANTED = 16
DECIDED = 0.5
"""The confidence below which another machine's rounding might change a correct answer."""

Floats = npt.NDArray[np.floating[Any]]


def choose(
    probabilities: Mapping[str, Floats],
    truth: Mapping[str, npt.NDArray[np.integer[Any]]],
    *,
    wanted: int = WANTED,
) -> list[int]:
    """Return positions of examples with a correct answer for every target, in their order.

    The surest one of each correctly answered label is included. The others, about `wanted` in all,
    are spread evenly over the confidences down to DECIDED, because a probability of nearly one
    hardly changes when the graph is wrong.
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
    """Return the samples with their `probabilities` [n, k] per target, in their order."""
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
