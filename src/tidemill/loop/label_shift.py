"""Test whether labels shift to one class against a model's answers to the same examples.

A model that learnt labels flipped to one class agrees with them, so its accuracy cannot tell them
from good labels. The direction of the disagreement can.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class LabelledOutcomes:
    """The labels of n examples, and whether the model predicts each of them."""

    labels: Sequence[str]
    correct: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LabelShift:
    """The shift of the labels to one of them, in shares between 0 and 1.

    `share` is the share of this label, and `error_rate` the share of it that the model predicts
    otherwise. `reference_share` and `reference_error_rate` are the same for labels that are known
    to be right. `share_p` is the p-value of the share alone, `p` that of the whole test, corrected
    for the number of labels.
    """

    label: str
    share: float
    reference_share: float
    error_rate: float
    reference_error_rate: float
    share_p: float
    p: float


def label_shift(
    judged: LabelledOutcomes, known: LabelledOutcomes, *, surprise: float
) -> LabelShift | None:
    """Return the label with the strongest shift of `judged` against labels known to be right.

    The shift is significant when its `p` is below `surprise`.

    Three conditions must hold at once; each alone occurs with honest labels, too. The label is more
    frequent than in `known`. The model misses a larger share of it. It makes up a larger share of
    all that the model misses. This is an intersection-union test (R. L. Berger, "Multiparameter
    Hypothesis Testing and Acceptance Sampling", Technometrics 24, 1982): its p-value is the largest
    of the three. Each is Fisher's exact one, multiplied by the number of labels (Bonferroni). The
    third condition is skipped when it could never be significant: even the least p-value with the
    margins of its table is too large. That happens when the model misses too few known labels, or
    almost only this one. Returns None without examples on either side.
    """
    if not len(judged.labels) or not len(known.labels):
        return None
    new, old = _counts(judged), _counts(known)
    missed, known_missed = (sum(row[1] for row in side.values()) for side in (new, old))
    names = len({*new, *old})
    shifts = []
    for label, (n, wrong) in sorted(new.items()):
        before, before_wrong = old.get(label, (0, 0))
        more = surplus(n, len(judged.labels), before, len(known.labels))
        ps = [more, surplus(wrong, n, before_wrong, before)]
        if least_surplus(wrong, missed, before_wrong, known_missed) * names < surprise:
            ps.append(surplus(wrong, missed, before_wrong, known_missed))
        shifts.append(
            LabelShift(
                label,
                share=n / len(judged.labels),
                reference_share=before / len(known.labels),
                error_rate=wrong / n,
                reference_error_rate=before_wrong / max(before, 1),
                share_p=min(1.0, more * names),
                p=min(1.0, max(ps) * names),
            )
        )
    return min(shifts, key=lambda row: (row.p, row.share_p))


def surplus(k: int, n: int, known_k: int, known_n: int) -> float:
    """Return the p-value of a share k of n that is larger than known_k of known_n.

    The one-sided p-value of Fisher's exact test (R. A. Fisher, "The Logic of Inductive Inference",
    JRSS 98, 1935); 1 when one side is empty.
    """
    total, marked = n + known_n, k + known_k
    least, most = max(k, n + marked - total), min(marked, n)
    whole = _log_choose(total, n)
    terms = (
        _log_choose(marked, x) + _log_choose(total - marked, n - x) - whole
        for x in range(least, most + 1)
    )
    return min(1.0, math.fsum(map(math.exp, terms)))


def least_surplus(k: int, n: int, known_k: int, known_n: int) -> float:
    """Return the least `surplus` of any table with the same margins."""
    marked = k + known_k
    most = min(marked, n)
    return surplus(most, n, marked - most, known_n)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _counts(side: LabelledOutcomes) -> dict[str, tuple[int, int]]:
    """Return how often each label occurs, and how often the model misses it."""
    labels = np.asarray(side.labels)
    return {
        str(label): (int(np.sum(labels == label)), int(np.sum(~side.correct[labels == label])))
        for label in np.unique(labels)
    }
