"""From a snapshot of pebbles to the files of a bundle, with numpy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tidemill.adapters.onnx import OnnxRuntime
from tidemill.bundle import TOLERANCE, encode
from tidemill.codecs.codec import Codec
from tidemill.data.open_snapshot import OpenSnapshot
from tidemill.domain.errors import DataError
from tidemill.domain.types import Example, Run, Split
from tidemill.learn.golden import choose, collect
from tidemill.learn.plan import TrainPlan
from tidemill.learn.progress import Progress
from tidemill.learn.training_result import TrainingResult
from tidemill.predictor import softmax
from tidemill.testing.tiny_recipe.pebbles import TARGET
from tidemill.testing.tiny_recipe.perceptron import Perceptron, fit_perceptron

TOLD = 10
"""The most lines of figures that a training reports."""


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """One split: its examples, their rows [n, d] and the positions of their labels [n]."""

    examples: list[Example]
    rows: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]


def train(
    run: Run,
    snapshot: OpenSnapshot,
    codec: Codec[Any],
    *,
    description: str,
    parent: str | None,
    scratch: Path,
    progress: Progress,
) -> TrainingResult:
    """Fulfils `learn.trained.Train`. Nothing is written to `scratch`."""
    names = snapshot.classes.get(TARGET, ())
    if set(snapshot.classes) != {TARGET}:
        raise DataError(f"The snapshot's one target must be {TARGET!r}.")
    plan = TrainPlan(**run.config["train"])
    progress.stage("encode")
    parts = _encoded(snapshot, codec, names)
    progress.stage("train")
    every = -(-plan.epochs // TOLD)

    def report_epoch(epoch: int, loss: float) -> None:
        progress.step(epoch, plan.epochs)
        if epoch % every == 0:
            progress.epoch(f"epoch {epoch}/{plan.epochs}  loss {loss:.3f}")

    model = fit_perceptron(
        parts["train"].rows,
        parts["train"].labels,
        len(names),
        hidden=run.config["model"]["hidden"],
        plan=plan,
        seed=run.seed,
        report_epoch=report_epoch,
    )
    progress.stage("judge")
    graph, weights, val = model.graph(TARGET), model.digest(), parts["val"]
    lineage = {
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
    # The test set is read once, and after everything that depends on the data is decided.
    metrics = {
        "test" if split == "test" else split: _scores(model, part)
        for split, part in parts.items()
        if split != "train"
    }
    evaluation = {"parity": measure_parity(model, graph, val.rows), "targets": {TARGET: metrics}}
    files = {
        "model.onnx": graph,
        "codec.json": encode({"kind": codec.kind, "config": codec.config()}),
        "classes.json": encode({TARGET: list(names)}),
        "golden.json": encode(_golden(model, val, snapshot)),
        "evaluation.json": encode(evaluation),
        "lineage.json": encode(lineage),
        "card.md": _card(description, lineage, metrics).encode(),
    }
    return TrainingResult(files, metrics, weights)


def _encoded(
    snapshot: OpenSnapshot, codec: Codec[Any], names: tuple[str, ...]
) -> dict[Split, _Part]:
    parts: dict[Split, _Part] = {}
    wanted: tuple[Split, ...] = ("train", "val", "test")
    for split in wanted:
        examples = list(snapshot.rows(split))
        if examples:
            rows = codec.encode([codec.decode(row.payload) for row in examples])["pebble"]
            labels = np.array([names.index(row.labels[TARGET]) for row in examples], np.int64)
            parts[split] = _Part(examples, rows, labels)
        elif split != "test":
            raise DataError(f"The snapshot has no {split} examples.")
    return parts


def _scores(model: Perceptron, part: _Part) -> dict[str, float]:
    probabilities = model.probabilities(part.rows)
    answers, count = probabilities.argmax(axis=1), probabilities.shape[1]
    right = answers == part.labels
    rows = np.arange(count)[:, None]
    hits = ((part.labels == rows) & right).sum(axis=1)
    either = (part.labels == rows).sum(axis=1) + (answers == rows).sum(axis=1)
    likelihood = probabilities[np.arange(len(probabilities)), part.labels]
    return {
        "accuracy": float(right.mean()),
        "macro_f1": float((2 * hits[either > 0] / either[either > 0]).mean()),
        "nll": float(-np.log(np.maximum(likelihood, 1e-12)).mean()),
        "examples": len(probabilities),
    }


def measure_parity(
    model: Perceptron, graph: bytes, rows: npt.NDArray[np.float32]
) -> dict[str, float]:
    """Return the largest difference between graph and model. Raises DataError for a large one."""
    outputs = OnnxRuntime(graph).run({"pebble": rows})
    gap = np.abs(softmax(outputs[f"logits_{TARGET}"]) - model.probabilities(rows)).max()
    if not gap <= TOLERANCE:
        raise DataError(f"The exported graph's probabilities are off by {gap:.1e}.")
    return {"difference": float(gap), "examples": len(rows)}


def _golden(model: Perceptron, val: _Part, snapshot: OpenSnapshot) -> list[dict[str, Any]]:
    probabilities = model.probabilities(val.rows)
    chosen = choose({TARGET: probabilities}, {TARGET: val.labels})
    examples = [val.examples[at] for at in chosen]
    return [
        row.to_json()
        for row in collect(examples, {TARGET: probabilities[chosen]}, snapshot.classes)
    ]


def _card(
    description: str, lineage: Mapping[str, Any], metrics: Mapping[str, Mapping[str, float]]
) -> str:
    scored = [
        f"- {split}: accuracy {row['accuracy']:.3f} on {row['examples']} pebbles"
        for split, row in metrics.items()
    ]
    trained = (
        f"Trained on snapshot `{lineage['snapshot'][:12]}` by run `{lineage['run']}` with seed "
        f"{lineage['seed']}; weights `{lineage['weights'][:12]}`."
    )
    return "\n".join([f"# {description}", "", trained, "", *scored, ""])
