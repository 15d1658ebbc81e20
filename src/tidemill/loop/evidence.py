"""What the gate judges by: both models' answers to the same held-out examples.

Everything is taken from the challenger's snapshot. True names come from there too, never from the
bundle that is being judged.
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
    """One model's answers to n examples: whether the name was right, and how sure it was.

    `labels` are the names that the snapshot has for them.
    """

    correct: npt.NDArray[np.bool_]
    confidence: npt.NDArray[np.float64]
    labels: Sequence[str]


@dataclass(frozen=True, slots=True)
class LabelUse:
    """How the challenger uses one label's name.

    On test it is `answers` so often, `correct` so often, and `all_correct` counts the right ones of
    those examples of which every target is named rightly. `golden` says whether a golden sample,
    whose true name the snapshot tells, gets this name.
    """

    label: str
    answers: int
    correct: int
    all_correct: int
    golden: bool


@dataclass(frozen=True, slots=True)
class TargetEvidence:
    """Both models on one target.

    `class_count` counts its names, `prior` is the share of the commonest one, `label_uses` has a
    row for every name that the challenger gives on test.
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
    """Everything that `gate.judge` looks at.

    As sentences, `class_faults` say where the bundle's label table is not the snapshot's, and
    `golden_faults` which golden answers are not the snapshot's names. `parity_gap` is the largest
    distance from a recorded probability, `golden_samples` counts the samples and `validation_rows`
    the snapshot's examples from which a training may choose them. `champion_fault` says why the
    champion cannot be compared with, and is empty when it can or when there is none.
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
    """How to read the challenger's snapshot.

    `classes` are its names per target, `examples` the examples of a split and `validation_rows` how
    many are in val. `find_labels` finds examples by their ids: every labelling that an example
    bears there, since a snapshot may keep the same payload under several.
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
    """Let both models answer. Reads test and fresh once, a batch at a time."""
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
    # What one codec reads, another one may not take: of a graph each keeps its own.
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
    """Return one row for each name that the challenger gives to a test example, alphabetically."""
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
    # A bundle that lacks the target answers nothing about it, and that is wrong, not an error.
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
    """Yield where the two label tables differ in more than the order of the names."""
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
    """`proved` holds (target, name) of every golden answer that the snapshot agrees with."""

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
    # `np.max`, unlike `max`, lets no NaN go unnoticed.
    return _Golden(tuple(faults), frozenset(proved), float(np.max(gaps)))


def _name_faults(truths: Sequence[Labels], answers: Sequence[Answer]) -> list[str]:
    """What is wrong with a golden sample's answers, by the labelling that fits them best."""
    if not truths:
        return ["a golden sample is not in the snapshot"]
    readings = [
        [
            f"{answer.label!r} is said where the snapshot has {truth.get(answer.target)!r}"
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
