"""A judge of generated texts: naive Bayes on words and pairs of words."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

from tidemill.domain.types import Example


def accuracy(learnt: Sequence[Example], judged: Sequence[Example]) -> float:
    """The share named rightly, with add-one smoothing; words never met count for nothing."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for example in learnt:
        counts[label_of(example)].update(_grams(example))
    vocabulary = set().union(*counts.values())
    totals = {label: sum(count.values()) + len(vocabulary) for label, count in counts.items()}

    def weight(label: str, grams: list[str]) -> float:
        count = counts[label]
        return sum(math.log((count[gram] + 1) / totals[label]) for gram in grams)

    right = 0
    for example in judged:
        grams = [gram for gram in _grams(example) if gram in vocabulary]
        right += max(counts, key=lambda label: weight(label, grams)) == label_of(example)
    return right / len(judged)


def label_of(example: Example) -> str:
    """The one label of an example."""
    (label,) = example.labels.values()
    return label


def _grams(example: Example) -> list[str]:
    words = example.payload.decode().lower().replace(".", " ").replace("?", " ").split()
    return words + [f"{one} {other}" for one, other in pairwise(words)]
