"""Whether labels lean to one side, against what a model says of the same examples.

Labels that are all turned one way agree with a model that learnt them, so no share of agreement
tells them from good ones. Their direction does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class LabelledOutcomes:
    """The labels that n examples bear, and whether the model named each of them."""

    labels: Sequence[str]
    correct: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LabelShift:
    """How much the labels lean to one of them, in shares between 0 and 1.

    `share` of the labels are this one and `error_rate` of those the model named otherwise;
    `reference_share` and `reference_error_rate` say the same of the labels that are known to be
    right. `share_p` is the p-value of the former alone, `p` that of the whole, corrected for the
    number of labels.
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
    """Return the label to which `judged` leans most, held against labels that are known to be
    right.

    They lean when its `p` is below `surprise`.

    Three things must hold of it at once, each of which happens to honest labels by itself: it is
    given more often than it should be, the model misses more of it, and it makes up more of all
    that the model misses. An intersection-union test (R. L. Berger, "Multiparameter Hypothesis
    Testing and Acceptance Sampling", Technometrics 24, 1982): its p-value is the largest of the
    three, each of which is Fisher's exact one, and is multiplied by the number of labels
    (Bonferroni). The third is not asked where it would say no whatever it saw, because the model
    missed too little that is known, or this label nearly alone: where even the least p-value that
    the margins of its table allow is no surprise. None without examples on either side.
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
    """How surprising it is that k of n is no smaller a share than it is, beside known_k of known_n.

    The one-sided p-value of Fisher's exact test (R. A. Fisher, "The Logic of Inductive Inference",
    JRSS 98, 1935); 1 where one side is empty.
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
    """Return the least that `surplus` can be of any table with the margins of this one."""
    marked = k + known_k
    most = min(marked, n)
    return surplus(most, n, marked - most, known_n)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _counts(side: LabelledOutcomes) -> dict[str, tuple[int, int]]:
    """Return how often each label is borne, and how often it is missed."""
    labels = np.asarray(side.labels)
    return {
        str(label): (int(np.sum(labels == label)), int(np.sum(~side.correct[labels == label])))
        for label in np.unique(labels)
    }
