"""The files of a bundle, of a training that is finished: what the trainers of rows and nodes share.

A trainer fits, exports and judges in its own way; from there on a bundle is made alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidemill.bundle import Golden, encode
from tidemill.codecs.codec import Codec
from tidemill.domain.types import Run, Split
from tidemill.learn.answers import Answers
from tidemill.learn.card import CORRUPTIONS, IMAGES, figure_name, render
from tidemill.learn.corruption_robustness import Robustness
from tidemill.learn.export import Parity
from tidemill.learn.figures import (
    confusion_figure,
    corruptions_figure,
    embedding_figure,
    reliability_figure,
    roc_figure,
)
from tidemill.learn.fit import FitStep
from tidemill.learn.progress import Progress
from tidemill.learn.training_result import Trained

Classes = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """What a training came to. `history` holds the validation NLL of each epoch.

    `judged` holds the answers per split, `val` always and `test` where there is one; `graph` is
    the exported file. `int8` tells what whole numbers cost, `ladder` how it stands corruption; None
    where there are none, or nobody looked.
    """

    graph: bytes
    weights: str
    history: Sequence[float]
    best_epoch: int
    temperatures: Mapping[str, float]
    parity: Parity
    judged: Mapping[Split, Answers]
    golden: Sequence[Golden]
    int8: Mapping[str, Any] | None = None
    robustness: Robustness | None = None


def told(progress: Progress) -> Callable[[FitStep], None]:
    """What a fit tells of its steps, as the progress of a training."""

    def tell(step: FitStep) -> None:
        progress.step(step.step, step.steps)
        if step.scores is not None:
            shown = ", ".join(f"{name} {value:.3f}" for name, value in step.scores.accuracy.items())
            progress.epoch(
                f"epoch {step.epoch}/{step.epochs}  loss {step.scores.loss:.3f}  "
                f"validation nll {step.scores.nll:.3f}  accuracy {shown}"
            )

    return tell


def assemble(
    learnt: Learnt,
    run: Run,
    codec: Codec[Any],
    classes: Classes,
    *,
    description: str,
    parent: str | None,
) -> Trained:
    """The bundle's files, its images and card among them, and the headline figures per split."""
    judged = learnt.judged
    evaluation = _evaluation(learnt)
    lineage = _lineage(run, parent, learnt.weights)
    files = {
        "model.onnx": learnt.graph,
        "codec.json": encode({"kind": codec.kind, "config": codec.config()}),
        "classes.json": encode({name: list(row) for name, row in classes.items()}),
        "golden.json": encode([sample.to_json() for sample in learnt.golden]),
        "evaluation.json": encode(evaluation),
        "lineage.json": encode(lineage),
        "card.md": render(description, lineage, evaluation).encode(),
        **_images(judged.get("test", judged["val"])),
        **_robustness_figures(learnt.robustness),
    }
    return Trained(files, _metrics(judged), learnt.weights)


def _evaluation(learnt: Learnt) -> dict[str, Any]:
    test = learnt.judged.get("test")
    return {
        "best_epoch": learnt.best_epoch,
        "history": list(learnt.history),
        "parity": {
            "difference": learnt.parity.difference,
            "examples": learnt.parity.examples,
        },
        "int8": learnt.int8,
        "corruptions": learnt.robustness.to_json() if learnt.robustness else None,
        "targets": {
            target: {
                "temperature": temperature,
                "val": learnt.judged["val"].to_json(target),
                "test": test.to_json(target) if test else None,
            }
            for target, temperature in learnt.temperatures.items()
        },
    }


def _lineage(run: Run, parent: str | None, weights: str) -> dict[str, Any]:
    return {
        "snapshot": run.snapshot,
        "run": run.id,
        "recipe": run.recipe,
        "config": dict(run.config),
        "seed": run.seed,
        "code": dict(run.code),
        "environment": dict(run.environment),
        "parent": parent,
        "weights": weights,
    }


def _images(answers: Answers) -> dict[str, bytes]:
    images: dict[str, bytes] = {}
    for target, scores in answers.scores.items():
        drawn = (
            confusion_figure(scores, target),
            reliability_figure(answers, target),
            roc_figure(answers, target),
            embedding_figure(answers, target),
        )
        images |= {figure_name(kind, target): png for kind, png in zip(IMAGES, drawn, strict=True)}
    return images


def _robustness_figures(robustness: Robustness | None) -> dict[str, bytes]:
    if robustness is None:
        return {}
    return {
        figure_name(CORRUPTIONS, target): corruptions_figure(robustness, target)
        for target in robustness.kinds
    }


def _metrics(judged: Mapping[Split, Answers]) -> dict[str, Any]:
    """Headline figures per split, the mean over targets; people call the test set `test`."""
    return {
        "test" if split == "test" else split: {
            name: float(np.mean([getattr(scores, name) for scores in answers.scores.values()]))
            for name in ("accuracy", "macro_f1", "nll", "ece")
        }
        for split, answers in judged.items()
    }
