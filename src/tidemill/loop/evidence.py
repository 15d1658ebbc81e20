"""Collect the evidence of the gate: both models' answers to the same held-out examples.

All examples and true labels come from the challenger's snapshot, never from the bundle that is
being judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
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
class Outcomes:
    """One model's answers to n examples: whether each is correct, and its confidence.

    `labels` are the true labels of the snapshot.
    """

    correct: npt.NDArray[np.bool_]
    confidence: npt.NDArray[np.float64]
    labels: Sequence[str]


@dataclass(frozen=True, slots=True)
class LabelUse:
    """How the challenger uses one label on test.

    It gives the label `answers` times, and `correct` times correctly. `all_correct` counts the
    correct ones among examples with a correct answer for every target. `golden` is true when a
    golden sample with this true label in the snapshot gets this label.
    """

    label: str
    answers: int
    correct: int
    all_correct: int
    golden: bool


@dataclass(frozen=True, slots=True)
class TargetEvidence:
    """Both models on one target.

    `class_count` counts its classes, `prior` is the share of the commonest class. `label_uses` has
    a row for every label that the challenger gives on test.
    """

    target: str
    class_count: int
    prior: float
    label_uses: tuple[LabelUse, ...]
    test: Outcomes
    test_champion: Outcomes | None
    fresh: Outcomes
    fresh_champion: Outcomes | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that `gate.judge` depends on.

    `class_faults` are sentences about differences between the classes of the bundle and the
    snapshot. `golden_faults` are sentences about golden answers that differ from the snapshot's
    labels. `parity_gap` is the largest distance from a recorded probability. `golden_samples`
    counts the samples, and `validation_rows` the examples from which a training chooses them.
    `champion_fault` says why the champion cannot be compared; it is empty when it can, and without
    a champion.
    """

    targets: tuple[TargetEvidence, ...]
    golden_samples: int
    validation_rows: int
    class_faults: tuple[str, ...]
    golden_faults: tuple[str, ...]
    parity_gap: float
    champion_fault: str = ""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Access to the challenger's snapshot.

    `classes` are its classes per target, `examples` returns the examples of a split and
    `validation_rows` is the size of val. `find_labels` returns every labelling of the examples with
    these ids, because a snapshot may contain the same payload with several.
    """

    classes: Mapping[str, Sequence[str]]
    validation_rows: int
    examples: Callable[[Split], Iterable[Example]]
    find_labels: Callable[[Collection[str]], Mapping[str, Sequence[Labels]]]


def gather(
    challenger: Predictor,
    champion: Predictor | None,
    held_out: HeldOut,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> Evidence:
    """Let both models predict test and fresh, reading each once, in batches."""
    test = _answer_split(challenger, champion, held_out, "test", progress)
    fresh = _answer_split(challenger, champion, held_out, "fresh", progress)
    golden = _golden(challenger, held_out)
    targets = tuple(
        TargetEvidence(
            target=target,
            class_count=len(names),
            prior=test.priors[target],
            label_uses=_uses(target, test, golden.proved),
            test=test.challenger[target],
            test_champion=test.champion[target] if champion else None,
            fresh=fresh.challenger[target],
            fresh_champion=fresh.champion[target] if champion else None,
        )
        for target, names in held_out.classes.items()
    )
    return Evidence(
        targets=targets,
        golden_samples=len(challenger.bundle.golden),
        validation_rows=held_out.validation_rows,
        class_faults=tuple(_table_faults(challenger.bundle.classes, held_out.classes)),
        golden_faults=golden.faults,
        parity_gap=golden.parity,
    )


@dataclass(frozen=True, slots=True)
class _SplitOutcomes:
    predictions: Sequence[Sequence[Answer]]
    challenger: dict[str, Outcomes]
    champion: dict[str, Outcomes]
    priors: dict[str, float]


def _answer_split(
    challenger: Predictor,
    champion: Predictor | None,
    held_out: HeldOut,
    split: Split,
    progress: Callable[[int], None],
) -> _SplitOutcomes:
    models = [challenger] if champion is None else [challenger, champion]
    # A codec may not accept what another codec decoded: a graph codec stores its own graph.
    alike = [_form(model) == _form(challenger) for model in models]
    answers: list[list[Sequence[Answer]]] = [[] for _ in models]
    truths: list[Labels] = []
    for batch in _batches(held_out.examples(split)):
        truths += [example.labels for example in batch]
        inputs: list[Any] = []
        for model, same, predictions in zip(models, alike, answers, strict=True):
            if not inputs or not same:
                inputs = [model.decode(example.payload) for example in batch]
            predictions.extend(model.predict(inputs))
        progress(len(batch))
    outcomes = [
        {target: _outcomes(target, rows, truths) for target in held_out.classes} for rows in answers
    ]
    priors = {name: _prior(name, truths) for name in held_out.classes}
    return _SplitOutcomes(answers[0], outcomes[0], outcomes[-1], priors)


def _uses(
    target: str, test: _SplitOutcomes, proved: Collection[tuple[str, str]]
) -> tuple[LabelUse, ...]:
    """Return a row for each label that the challenger gives on test, alphabetically."""
    right = test.challenger[target].correct
    whole = np.logical_and.reduce([outcomes.correct for outcomes in test.challenger.values()])
    names = np.array(
        [answer.label if (answer := _of(target, row)) else "" for row in test.predictions]
    )
    return tuple(
        LabelUse(
            label=str(name),
            answers=int(np.sum(names == name)),
            correct=int(np.sum(right[names == name])),
            all_correct=int(np.sum(whole[names == name])),
            golden=(target, str(name)) in proved,
        )
        for name in np.unique(names)
        if name
    )


def _batches(rows: Iterable[Example]) -> Iterator[list[Example]]:
    stream = iter(rows)
    while batch := list(islice(stream, BATCH)):
        yield batch


def _form(model: Predictor) -> tuple[str, Mapping[str, Any]]:
    return model.codec.kind, model.codec.config()


def _of(target: str, answers: Sequence[Answer]) -> Answer | None:
    return next((answer for answer in answers if answer.target == target), None)


def _outcomes(
    target: str, predictions: Sequence[Sequence[Answer]], truths: Sequence[Labels]
) -> Outcomes:
    # A bundle without the target gives no answer about it, which is wrong, but not an error.
    chosen = [_of(target, answers) for answers in predictions]
    right = [a is not None and a.label == t[target] for a, t in zip(chosen, truths, strict=True)]
    sure = [a.confidence if a else 0.0 for a in chosen]
    labels = tuple(truth[target] for truth in truths)
    return Outcomes(np.array(right, dtype=np.bool_), np.array(sure, dtype=np.float64), labels)


def _prior(target: str, truths: Sequence[Labels]) -> float:
    names = [truth[target] for truth in truths]
    return max((names.count(name) for name in set(names)), default=0) / max(len(names), 1)


def _table_faults(
    bundle: Mapping[str, Sequence[str]], snapshot: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """Yield differences of the two class tables other than the order of the classes."""
    for target in sorted({*bundle, *snapshot}):
        named, known = Counter(bundle.get(target, ())), set(snapshot.get(target, ()))
        faults = {
            "names twice": [name for name, times in named.items() if times > 1],
            "lacks": known - set(named),
            "invents": set(named) - known,
        }
        for fault, names in faults.items():
            if names:
                yield f"for {target} the bundle {fault} {', '.join(sorted(names))}"


@dataclass(frozen=True, slots=True)
class _Golden:
    """`proved` holds (target, label) of every golden answer that agrees with the snapshot."""

    faults: tuple[str, ...]
    proved: frozenset[tuple[str, str]]
    parity: float


def _golden(challenger: Predictor, held_out: HeldOut) -> _Golden:
    samples = challenger.bundle.golden
    if not samples:
        return _Golden((), frozenset(), 0.0)
    predictions = challenger.predict([challenger.decode(sample.payload) for sample in samples])
    ids = [payload_id(sample.payload) for sample in samples]
    known = held_out.find_labels(set(ids))
    faults: list[str] = []
    gaps, proved = [0.0], set[tuple[str, str]]()
    for id, sample, answers in zip(ids, samples, predictions, strict=True):
        wrong = _name_faults(known.get(id, ()), answers)
        faults += wrong
        proved |= {(answer.target, answer.label) for answer in answers if not wrong}
        gaps += [_gap(sample, answer) for answer in answers]
    # `np.max`, unlike `max`, never hides a NaN.
    return _Golden(tuple(faults), frozenset(proved), float(np.max(gaps)))


def _name_faults(truths: Sequence[Labels], answers: Sequence[Answer]) -> list[str]:
    """Return the faults of a golden sample's answers against the best fitting labelling."""
    if not truths:
        return ["a golden sample is not in the snapshot"]
    readings = [
        [
            f"{answer.label!r} is predicted where the snapshot has {truth.get(answer.target)!r}"
            for answer in answers
            if answer.label != truth.get(answer.target)
        ]
        for truth in truths
    ]
    return min(readings, key=len)


def _gap(sample: Golden, answer: Answer) -> float:
    recorded = sample.probabilities.get(answer.target, {})
    gaps = [abs(p - answer.probabilities.get(name, 2.0)) for name, p in recorded.items()]
    return float(np.max(gaps)) if gaps else 1.0
