"""Train on a snapshot of rows: from the data to the files of a bundle.

Encode, fit, calibrate on validation, choose golden samples there, export, prove the export, and
only then read the test set, once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tidemill.bundle import Golden
from tidemill.codecs.codec import Codec
from tidemill.codecs.image import ImageCodec
from tidemill.data.open_snapshot import OpenSnapshot
from tidemill.domain.errors import DataError
from tidemill.domain.types import Classes, Example, Run, Split
from tidemill.learn.arrays import EncodedSplit, encode_split
from tidemill.learn.assembly import TrainingOutputs, assemble, report_progress
from tidemill.learn.calibrate import fit_temperature
from tidemill.learn.corruption_robustness import (
    CorruptionRobustness,
    draw_examples,
    measure_robustness,
)
from tidemill.learn.evaluate_plan import EvaluatePlan
from tidemill.learn.export import Parity, export, parity, run_graph
from tidemill.learn.fit import fit
from tidemill.learn.golden import choose, collect
from tidemill.learn.inference import infer
from tidemill.learn.network import Network, NetworkFactory, logits_of
from tidemill.learn.plan import ExportPlan, TrainPlan
from tidemill.learn.progress import Progress
from tidemill.learn.quantise import BATCH, Quantised, quantise
from tidemill.learn.split_predictions import SplitPredictions
from tidemill.learn.training_result import TrainingResult
from tidemill.staging import stage_folder

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

    @property
    def batch_size(self) -> int:
        """The number of examples that it may answer at a time."""
        return self.quantised.batch_size if self.quantised else BATCH


def train(
    build: NetworkFactory,
    run: Run,
    snapshot: OpenSnapshot,
    codec: Codec[Any],
    *,
    description: str,
    parent: str | None,
    scratch: Path,
    progress: Progress,
) -> TrainingResult:
    """Train the network that `build` makes; see `Trainer` for the rest.

    Encoded examples lie in a folder below `scratch` for the while. Raises DataError when a split
    is missing or the export does not answer as the network does, StorageFailed when `scratch`
    cannot hold them.
    """
    network = build(run.config, snapshot.classes)
    plan = TrainPlan(**run.config["train"])
    precision = ExportPlan(**run.config.get("export", {})).precision
    images = EvaluatePlan(**run.config.get("evaluate", {})).images
    for split in ("train", "val"):
        if not snapshot.count(split):
            raise DataError(f"The snapshot has no {split} examples.")
    with stage_folder(scratch) as folder:
        splits = _encode(snapshot, codec, folder, progress)
        progress.stage("train")
        fitted = fit(
            network,
            splits["train"],
            splits["val"],
            plan,
            seed=run.seed,
            progress=report_progress(progress),
        )
        progress.stage("judge")
        model = _calibrated(fitted.network, splits["val"])
        exported = _export(model, splits, folder / "model.onnx", precision)
        predictions: dict[Split, SplitPredictions] = {
            split: _answered(model, exported, part, snapshot.classes)
            for split, part in splits.items()
            if split != "train"
        }
        graph = exported.path.read_bytes()
        samples = _golden(snapshot, splits["val"], predictions["val"].probabilities)
        robustness = None
        if images and isinstance(codec, ImageCodec):
            examples = draw_examples(snapshot, images, run.seed)
            robustness = _robustness(
                exported, codec, examples, snapshot.classes, run.seed, progress
            )
    learnt = TrainingOutputs(
        graph=graph,
        weights=fitted.weights,
        history=[row.nll for row in fitted.history],
        best_epoch=fitted.best_epoch,
        temperatures=model.temperatures,
        parity=exported.proved,
        predictions=predictions,
        golden=samples,
        int8=asdict(exported.quantised) if exported.quantised else None,
        robustness=robustness,
    )
    return assemble(learnt, run, codec, snapshot.classes, description=description, parent=parent)


def _encode(
    snapshot: OpenSnapshot, codec: Codec[Any], folder: Path, progress: Progress
) -> dict[Split, EncodedSplit]:
    progress.stage("encode")
    wanted: tuple[Split, ...] = ("train", "val", "test")
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
            snapshot.classes,
            folder / split,
            progress=step,
        )
        before += len(encoded[split])
    return encoded


def _calibrated(network: Network, val: EncodedSplit) -> _Model:
    outputs = infer(network, val)
    return _Model(
        network,
        {
            target: fit_temperature(outputs[logits_of(target)], val.labels[target])
            for target in network.targets
        },
    )


def _export(
    model: _Model, splits: Mapping[Split, EncodedSplit], path: Path, precision: str
) -> _Exported:
    val = splits["val"]
    export(model.network, model.temperatures, path, val)
    proved = parity(model.network, model.temperatures, path, val)
    small = quantise(model.network, path, splits["train"], val) if precision == "int8" else None
    return _Exported(path, proved, small)


def _answered(
    model: _Model, exported: _Exported, split: EncodedSplit, classes: Classes
) -> SplitPredictions:
    """Predict with the graph that will serve. After the parity check the network agrees with it."""
    if exported.quantised is None:
        outputs = infer(model.network, split)
    else:
        outputs = run_graph(exported.path, split, batch_size=exported.batch_size)
        for target, temperature in model.temperatures.items():
            outputs[logits_of(target)] *= temperature
    return SplitPredictions.of(outputs, split, model.temperatures, classes)


def _robustness(
    exported: _Exported,
    codec: ImageCodec,
    examples: Sequence[Example],
    classes: Classes,
    seed: int,
    progress: Progress,
) -> CorruptionRobustness:
    progress.stage("corrupt")
    return measure_robustness(
        exported.path,
        codec,
        examples,
        classes,
        seed=seed,
        batch_size=exported.batch_size,
        progress=progress,
    )


def _golden(
    snapshot: OpenSnapshot, val: EncodedSplit, probabilities: Mapping[str, Floats]
) -> list[Golden]:
    positions = choose(probabilities, val.labels)
    wanted = set(positions)
    examples = [row for at, row in enumerate(snapshot.rows("val")) if at in wanted]
    rows = {target: scores[positions] for target, scores in probabilities.items()}
    return collect(examples, rows, snapshot.classes)
