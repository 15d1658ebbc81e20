"""What a gate judges on: both models' answers to the same held-back examples.

Everything is taken from the challenger's snapshot. True names come from there too, never from the
bundle that is being judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from tidemill.bundle import Golden
from tidemill.domain.types import Answer, Example, Labels, Split, payload_id
from tidemill.predictor import Predictor

BATCH = 64


@dataclass(frozen=True, slots=True)
class Marks:
    """One model's answers to n examples: whether the name was right, and how sure it was."""

    correct: npt.NDArray[np.bool_]
    confidence: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TargetEvidence:
    """Both models on one target.

    `labels` counts its names, `prior` is the share of the commonest one.
    """

    target: str
    labels: int
    prior: float
    anchor: Marks
    anchor_champion: Marks | None
    fresh: Marks
    fresh_champion: Marks | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that `gate.judge` looks at.

    `name_faults` are golden samples whose answered name is not the snapshot's, as sentences;
    `parity` is the largest distance from a recorded probability; `golden` counts the samples.
    """

    targets: tuple[TargetEvidence, ...]
    golden: int
    name_faults: tuple[str, ...]
    parity: float


@dataclass(frozen=True, slots=True)
class HeldBack:
    """How to read the challenger's snapshot: rows of a split, labels of an example by id."""

    labels: Mapping[str, Sequence[str]]
    rows: Callable[[Split], Iterable[Example]]
    labels_of: Callable[[str], Labels | None]


def gather(
    challenger: Predictor,
    champion: Predictor | None,
    held: HeldBack,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> Evidence:
    """Let both models answer. Reads anchor and fresh once, a batch at a time."""
    anchor = _mark(challenger, champion, held, "anchor", progress)
    fresh = _mark(challenger, champion, held, "fresh", progress)
    name_faults, parity = _golden(challenger, held)
    targets = tuple(
        TargetEvidence(
            target=target,
            labels=len(names),
            prior=anchor.priors[target],
            anchor=anchor.challenger[target],
            anchor_champion=anchor.champion[target] if champion else None,
            fresh=fresh.challenger[target],
            fresh_champion=fresh.champion[target] if champion else None,
        )
        for target, names in held.labels.items()
    )
    return Evidence(targets, len(challenger.bundle.golden), name_faults, parity)


@dataclass(frozen=True, slots=True)
class _Marked:
    challenger: dict[str, Marks]
    champion: dict[str, Marks]
    priors: dict[str, float]


def _mark(
    challenger: Predictor,
    champion: Predictor | None,
    held: HeldBack,
    split: Split,
    progress: Callable[[int], None],
) -> _Marked:
    models = [challenger] if champion is None else [challenger, champion]
    answers: list[list[Sequence[Answer]]] = [[] for _ in models]
    truths: list[Labels] = []
    for batch in _batches(held.rows(split)):
        truths += [example.labels for example in batch]
        items: list[Any] = []
        for model, given in zip(models, answers, strict=True):
            if not items or model.codec.config() != challenger.codec.config():
                items = [model.read(example.payload) for example in batch]
            given.extend(model.answer(items))
        progress(len(batch))
    marked = [
        {target: _marks(target, given, truths) for target in held.labels} for given in answers
    ]
    return _Marked(marked[0], marked[-1], {name: _prior(name, truths) for name in held.labels})


def _batches(rows: Iterable[Example]) -> Iterator[list[Example]]:
    stream = iter(rows)
    while batch := list(islice(stream, BATCH)):
        yield batch


def _marks(target: str, given: Sequence[Sequence[Answer]], truths: Sequence[Labels]) -> Marks:
    # A bundle that lacks the target answers nothing about it, and that is wrong, not an error.
    chosen = [next((a for a in answers if a.target == target), None) for answers in given]
    right = [a is not None and a.label == t[target] for a, t in zip(chosen, truths, strict=True)]
    sure = [a.confidence if a else 0.0 for a in chosen]
    return Marks(np.array(right, dtype=np.bool_), np.array(sure, dtype=np.float64))


def _prior(target: str, truths: Sequence[Labels]) -> float:
    names = [truth[target] for truth in truths]
    return max((names.count(name) for name in set(names)), default=0) / max(len(names), 1)


def _golden(challenger: Predictor, held: HeldBack) -> tuple[tuple[str, ...], float]:
    samples = challenger.bundle.golden
    if not samples:
        return (), 0.0
    given = challenger.answer([challenger.read(sample.payload) for sample in samples])
    faults, gaps = [], [0.0]
    for sample, answers in zip(samples, given, strict=True):
        truth = held.labels_of(payload_id(sample.payload))
        faults += list(_name_faults(truth, answers))
        gaps += [_gap(sample, answer) for answer in answers]
    return tuple(faults), float(np.max(gaps))  # unlike `max`, this lets no NaN go unnoticed


def _name_faults(truth: Labels | None, answers: Sequence[Answer]) -> Iterator[str]:
    if truth is None:
        yield "a golden sample is not in the snapshot"
        return
    for answer in answers:
        if answer.label != truth.get(answer.target):
            yield f"{answer.label!r} is said where the snapshot has {truth.get(answer.target)!r}"


def _gap(sample: Golden, answer: Answer) -> float:
    recorded = sample.probabilities.get(answer.target, {})
    gaps = [abs(p - answer.probabilities.get(name, 2.0)) for name, p in recorded.items()]
    return float(np.max(gaps)) if gaps else 1.0
