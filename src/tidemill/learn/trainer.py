"""From a snapshot to the files of a bundle: the whole of one training, in order.

Encode, fit, calibrate on validation, choose golden samples there, export, prove the export, and
only then read the anchor, once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tidemill.bundle import Golden, encode
from tidemill.codecs.codec import Codec
from tidemill.data.opened import OpenSnapshot
from tidemill.domain.errors import DataError
from tidemill.domain.types import Run, Split
from tidemill.learn.answers import Answers
from tidemill.learn.arrays import EncodedSplit, encode_split
from tidemill.learn.calibrate import fit_temperature
from tidemill.learn.card import PICTURES, picture_name, render
from tidemill.learn.export import Parity, export, parity, run_graph
from tidemill.learn.fit import FitStep, Fitted, fit
from tidemill.learn.golden import choose, collect
from tidemill.learn.inference import infer
from tidemill.learn.network import Network, logits_of
from tidemill.learn.pictures import (
    confusion_picture,
    embedding_picture,
    reliability_picture,
    roc_picture,
)
from tidemill.learn.plan import ExportPlan, TrainPlan
from tidemill.learn.progress import Progress
from tidemill.learn.quantise import Quantised, quantise, refuse_convolutions
from tidemill.learn.trained import Trained
from tidemill.staging import staged

Labels = Mapping[str, Sequence[str]]
Build = Callable[[Mapping[str, Any], Labels], Network]
"""A recipe's factory: the resolved experiment and the label names to an untrained network."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Model:
    """A fitted network with its temperatures."""

    network: Network
    temperatures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Exported:
    """The graph that will serve; `quantised` is None where it calculates as the network does."""

    path: Path
    proved: Parity
    quantised: Quantised | None


def train(
    build: Build,
    run: Run,
    snapshot: OpenSnapshot,
    codec: Codec[Any],
    *,
    description: str,
    parent: str | None,
    scratch: Path,
    progress: Progress,
) -> Trained:
    """Train the network that `build` makes; `learn.trained.Train` tells of the rest.

    Encoded examples lie in a folder below `scratch` for the while. Raises DataError when a split
    is missing or the export does not answer as the network does, StorageFailed when `scratch`
    cannot hold them.
    """
    network = build(run.config, snapshot.labels)
    plan = TrainPlan(**run.config["train"])
    precision = ExportPlan(**run.config.get("export", {})).precision
    if precision == "int8":
        refuse_convolutions(network)
    for split in ("train", "val"):
        if not snapshot.count(split):
            raise DataError(f"The snapshot has no {split} examples.")
    with staged(scratch) as folder:
        splits = _encode(snapshot, codec, folder, progress)
        progress.stage("train")
        fitted = fit(
            network, splits["train"], splits["val"], plan, seed=run.seed, progress=_told(progress)
        )
        progress.stage("judge")
        model = _calibrated(fitted.network, splits["val"])
        exported = _export(model, splits["val"], folder / "model.onnx", precision)
        judged: dict[Split, Answers] = {
            split: _answered(model, exported, part, snapshot.labels)
            for split, part in splits.items()
            if split != "train"
        }
        graph = exported.path.read_bytes()
        samples = _golden(snapshot, splits["val"], judged["val"].probabilities)
    evaluation = _evaluation(model, fitted, exported, judged)
    lineage = _lineage(run, parent, fitted.weights)
    files = {
        "model.onnx": graph,
        "codec.json": encode({"kind": codec.kind, "config": codec.config()}),
        "labels.json": encode({name: list(row) for name, row in snapshot.labels.items()}),
        "golden.json": encode([sample.to_json() for sample in samples]),
        "evaluation.json": encode(evaluation),
        "lineage.json": encode(lineage),
        "card.md": render(description, lineage, evaluation).encode(),
        **_pictures(judged.get("anchor", judged["val"])),
    }
    return Trained(files, _metrics(judged), fitted.weights)


def _encode(
    snapshot: OpenSnapshot, codec: Codec[Any], folder: Path, progress: Progress
) -> dict[Split, EncodedSplit]:
    progress.stage("encode")
    wanted: tuple[Split, ...] = ("train", "val", "anchor")
    present = [split for split in wanted if snapshot.count(split)]
    total, before = sum(snapshot.count(split) for split in present), 0
    encoded: dict[Split, EncodedSplit] = {}
    for split in present:
        start = before

        def step(done: int, start: int = start) -> None:
            progress.step(start + done, total)

        encoded[split] = encode_split(
            snapshot.rows(split),
            codec,
            snapshot.labels,
            folder / split,
            progress=step,
        )
        before += len(encoded[split])
    return encoded


def _told(progress: Progress) -> Callable[[FitStep], None]:
    def tell(step: FitStep) -> None:
        progress.step(step.step, step.steps)
        if step.scores is not None:
            shown = ", ".join(f"{name} {value:.3f}" for name, value in step.scores.accuracy.items())
            progress.epoch(
                f"epoch {step.epoch}/{step.epochs}  loss {step.scores.loss:.3f}  "
                f"validation nll {step.scores.nll:.3f}  accuracy {shown}"
            )

    return tell


def _calibrated(network: Network, val: EncodedSplit) -> _Model:
    outputs = infer(network, val)
    return _Model(
        network,
        {
            target: fit_temperature(outputs[logits_of(target)], val.labels[target])
            for target in network.targets
        },
    )


def _export(model: _Model, val: EncodedSplit, path: Path, precision: str) -> _Exported:
    export(model.network, model.temperatures, path, val)
    proved = parity(model.network, model.temperatures, path, val)
    small = quantise(path, val, tuple(model.network.targets)) if precision == "int8" else None
    return _Exported(path, proved, small)


def _answered(model: _Model, exported: _Exported, split: EncodedSplit, labels: Labels) -> Answers:
    """What will be served is what is judged: of a graph that was proved, the network's answers."""
    outputs = infer(model.network, split)
    if exported.quantised:
        outputs = run_graph(exported.path, split, batch_size=1)
        for target, temperature in model.temperatures.items():
            outputs[logits_of(target)] *= temperature
    return Answers.of(outputs, split, model.temperatures, labels)


def _golden(
    snapshot: OpenSnapshot, val: EncodedSplit, probabilities: Mapping[str, Floats]
) -> list[Golden]:
    chosen = choose(probabilities, val.labels)
    wanted = set(chosen)
    examples = [row for at, row in enumerate(snapshot.rows("val")) if at in wanted]
    rows = {target: given[chosen] for target, given in probabilities.items()}
    return collect(examples, rows, snapshot.labels)


def _evaluation(
    model: _Model, fitted: Fitted, exported: _Exported, judged: Mapping[Split, Answers]
) -> dict[str, Any]:
    anchor, small = judged.get("anchor"), exported.quantised
    return {
        "best_epoch": fitted.best_epoch,
        "history": [row.nll for row in fitted.history],
        "parity": {
            "difference": exported.proved.difference,
            "examples": exported.proved.examples,
        },
        "int8": asdict(small) if small else None,
        "targets": {
            target: {
                "temperature": temperature,
                "val": judged["val"].to_json(target),
                "test": anchor.to_json(target) if anchor else None,
            }
            for target, temperature in model.temperatures.items()
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


def _pictures(answers: Answers) -> dict[str, bytes]:
    pictures: dict[str, bytes] = {}
    for target, scores in answers.scores.items():
        drawn = (
            confusion_picture(scores, target),
            reliability_picture(answers, target),
            roc_picture(answers, target),
            embedding_picture(answers, target),
        )
        pictures |= {
            picture_name(kind, target): png for kind, png in zip(PICTURES, drawn, strict=True)
        }
    return pictures


def _metrics(judged: Mapping[Split, Answers]) -> dict[str, Any]:
    """Headline figures per split, the mean over targets; people call the anchor `test`."""
    return {
        "test" if split == "anchor" else split: {
            name: float(np.mean([getattr(scores, name) for scores in answers.scores.values()]))
            for name in ("accuracy", "macro_f1", "nll", "ece")
        }
        for split, answers in judged.items()
    }
