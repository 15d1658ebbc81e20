"""Writes the files of a bundle after a training. The trainers of rows and of nodes share it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidemill.bundle import Golden, encode
from tidemill.codecs.codec import Codec
from tidemill.domain.types import Classes, Run, Split
from tidemill.learn.card import CORRUPTIONS, FIGURES, figure_name, render_card
from tidemill.learn.corruption_robustness import CorruptionRobustness
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
from tidemill.learn.split_predictions import SplitPredictions
from tidemill.learn.training_result import TrainingResult


@dataclass(frozen=True, slots=True, eq=False)
class TrainingOutputs:
    """The results of a training. `history` holds the validation NLL of each epoch.

    `predictions` holds those per split: `val` always, `test` where there is one. `graph` is the
    exported file. `int8` is the cost of quantisation, None for a float graph. `robustness` is None
    where it was not measured.
    """

    graph: bytes
    weights: str
    history: Sequence[float]
    best_epoch: int
    temperatures: Mapping[str, float]
    parity: Parity
    predictions: Mapping[Split, SplitPredictions]
    golden: Sequence[Golden]
    int8: Mapping[str, Any] | None = None
    robustness: CorruptionRobustness | None = None


def report_progress(progress: Progress) -> Callable[[FitStep], None]:
    """Return a callback that shows the steps of a fit as the progress of a training."""

    def report(step: FitStep) -> None:
        progress.step(step.step, step.steps)
        if step.scores is not None:
            accuracy = ", ".join(
                f"{name} {value:.3f}" for name, value in step.scores.accuracy.items()
            )
            progress.epoch(
                f"epoch {step.epoch}/{step.epochs}  loss {step.scores.loss:.3f}  "
                f"validation nll {step.scores.nll:.3f}  accuracy {accuracy}"
            )

    return report


def assemble(
    outputs: TrainingOutputs,
    run: Run,
    codec: Codec[Any],
    classes: Classes,
    *,
    description: str,
    parent: str | None,
) -> TrainingResult:
    """Return the bundle's files, with figures and card, and the headline metrics per split."""
    predictions = outputs.predictions
    evaluation = _evaluation(outputs)
    lineage = _lineage(run, parent, outputs.weights)
    files = {
        "model.onnx": outputs.graph,
        "codec.json": encode({"kind": codec.kind, "config": codec.config()}),
        "classes.json": encode({name: list(row) for name, row in classes.items()}),
        "golden.json": encode([sample.to_json() for sample in outputs.golden]),
        "evaluation.json": encode(evaluation),
        "lineage.json": encode(lineage),
        "card.md": render_card(description, lineage, evaluation).encode(),
        **_figures(predictions.get("test", predictions["val"])),
        **_robustness_figures(outputs.robustness),
    }
    return TrainingResult(files, _metrics(predictions), outputs.weights)


def _evaluation(outputs: TrainingOutputs) -> dict[str, Any]:
    test = outputs.predictions.get("test")
    return {
        "best_epoch": outputs.best_epoch,
        "history": list(outputs.history),
        "parity": {
            "difference": outputs.parity.difference,
            "examples": outputs.parity.examples,
        },
        "int8": outputs.int8,
        "corruptions": outputs.robustness.to_json() if outputs.robustness else None,
        "targets": {
            target: {
                "temperature": temperature,
                "val": outputs.predictions["val"].to_json(target),
                "test": test.to_json(target) if test else None,
            }
            for target, temperature in outputs.temperatures.items()
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


def _figures(answers: SplitPredictions) -> dict[str, bytes]:
    figures: dict[str, bytes] = {}
    for target, scores in answers.scores.items():
        drawn = (
            confusion_figure(scores, target),
            reliability_figure(answers, target),
            roc_figure(answers, target),
            embedding_figure(answers, target),
        )
        figures |= {
            figure_name(kind, target): png for kind, png in zip(FIGURES, drawn, strict=True)
        }
    return figures


def _robustness_figures(robustness: CorruptionRobustness | None) -> dict[str, bytes]:
    if robustness is None:
        return {}
    return {
        figure_name(CORRUPTIONS, target): corruptions_figure(robustness, target)
        for target in robustness.kinds
    }


def _metrics(predictions: Mapping[Split, SplitPredictions]) -> dict[str, Any]:
    """Return the headline metrics per split: the mean over targets."""
    return {
        split: {
            name: float(np.mean([getattr(scores, name) for scores in answers.scores.values()]))
            for name in ("accuracy", "macro_f1", "nll", "ece")
        }
        for split, answers in predictions.items()
    }
