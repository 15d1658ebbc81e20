"""Train on a snapshot of nodes: from the graph to the files of a bundle.

All nodes of the snapshot are one graph, which the bundle's codec stores. The labels of `train` are
learnt from, those of `val` choose, and those of the test set are read once, at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tidemill.bundle import TOLERANCE, Golden
from tidemill.codecs.codec import Arrays, Codec
from tidemill.codecs.graph import GraphCodec
from tidemill.data.open_snapshot import OpenSnapshot
from tidemill.domain.errors import DataError, UsageError
from tidemill.domain.types import Example, Run, Split
from tidemill.learn.assembly import TrainingOutputs, assemble, report_progress
from tidemill.learn.calibrate import fit_temperature
from tidemill.learn.golden import choose, collect
from tidemill.learn.inference import NetworkOutputs
from tidemill.learn.network import Network, NetworkFactory, logits_of
from tidemill.learn.node_export import export_nodes, infer_nodes, parity_nodes
from tidemill.learn.node_fit import fit_nodes
from tidemill.learn.node_plan import NodePlan
from tidemill.learn.node_split import NodeGraph, NodeSplit, read_graph
from tidemill.learn.parity_graphs import parity_graphs
from tidemill.learn.plan import ExportPlan
from tidemill.learn.progress import Progress
from tidemill.learn.split_predictions import SplitPredictions
from tidemill.learn.training_result import TrainingResult
from tidemill.predictor import softmax
from tidemill.staging import stage_folder


def train_nodes(
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
    """Train the network of graphs that `build` makes; see `Trainer` for the rest.

    The group `train` of the configuration is a NodePlan. Raises UsageError for another codec than
    that of graphs and for int8; DataError when a split has no labelled node, when the export does
    not answer as the network does, and when a golden sample's neighbourhood is answered
    otherwise than the whole graph.
    """
    if not isinstance(codec, GraphCodec):
        raise UsageError(f"Nodes are read by the codec graph, not by {codec.kind}.")
    if ExportPlan(**run.config.get("export", {})).precision == "int8":
        raise UsageError("int8 is not offered for graphs.", hint="Use export.precision=fp32.")
    plan = NodePlan(**run.config["train"])
    network = build(run.config, snapshot.classes)
    progress.stage("encode")
    graph = read_graph(snapshot, codec)
    progress.step(snapshot.count(), snapshot.count())
    progress.stage("train")
    fitted = fit_nodes(network, graph, plan, seed=run.seed, progress=report_progress(progress))
    progress.stage("judge")
    outputs = infer_nodes(fitted.network, graph.arrays)
    temperatures = _temperatures(fitted.network, outputs, graph.splits["val"])
    predictions: dict[Split, SplitPredictions] = {
        name: SplitPredictions.of(_rows(outputs, split), split, temperatures, snapshot.classes)
        for name, split in graph.splits.items()
        if name != "train"
    }
    samples, around = _golden(snapshot, graph, predictions["val"], fitted.network, temperatures)
    with stage_folder(scratch) as folder:
        path = folder / "model.onnx"
        export_nodes(fitted.network, temperatures, path, codec.settings.features)
        proved = parity_nodes(
            fitted.network, temperatures, path, _compared(graph, around, codec.settings.features)
        )
        exported = path.read_bytes()
    learnt = TrainingOutputs(
        graph=exported,
        weights=fitted.weights,
        history=[row.nll for row in fitted.history],
        best_epoch=fitted.best_epoch,
        temperatures=temperatures,
        parity=proved,
        predictions=predictions,
        golden=samples,
    )
    return assemble(
        learnt, run, graph.codec, snapshot.classes, description=description, parent=parent
    )


def _rows(outputs: NetworkOutputs, split: NodeSplit) -> NetworkOutputs:
    return {name: rows[split.places] for name, rows in outputs.items()}


def _temperatures(network: Network, outputs: NetworkOutputs, val: NodeSplit) -> dict[str, float]:
    answered = _rows(outputs, val)
    return {
        target: fit_temperature(answered[logits_of(target)], val.labels[target])
        for target in network.targets
    }


def _golden(
    snapshot: OpenSnapshot,
    graph: NodeGraph,
    predictions: SplitPredictions,
    network: Network,
    temperatures: Mapping[str, float],
) -> tuple[list[Golden], list[Arrays]]:
    """Return samples of validation joined to the stored graph, as clients will send them.

    The second value has the arrays of each. The training compared answers on the whole graph; this
    proves that a node's neighbourhood gives the same answer. Raises DataError where it does not.
    """
    chosen = choose(predictions.probabilities, predictions.truth)
    examples = _examples(snapshot, chosen)
    around = [graph.codec.encode([graph.codec.decode(row.payload)]) for row in examples]
    answered = [infer_nodes(network, arrays) for arrays in around]
    probabilities = {}
    for target, temperature in temperatures.items():
        size = network.targets[target]
        rows = [softmax(row[logits_of(target)] / temperature) for row in answered]
        probabilities[target] = np.concatenate([np.empty((0, size)), *rows])
        gap = np.abs(probabilities[target] - predictions.probabilities[target][chosen]).max(
            initial=0
        )
        # Written so that a gap which is not a number is refused too.
        if not gap <= TOLERANCE:
            raise DataError(
                f"Of a node's neighbourhood a probability of {target!r} differs by {gap:.2g} from"
                f" that of the whole graph (at most {TOLERANCE}).",
                hint="codec.hops must be at least the number of layers.",
            )
    return collect(examples, probabilities, snapshot.classes), around


def _examples(snapshot: OpenSnapshot, chosen: list[int]) -> list[Example]:
    """Return the labelled rows of validation among them."""
    wanted = set(chosen)
    labelled = (row for row in snapshot.rows("val") if row.labels)
    return [row for at, row in enumerate(labelled) if at in wanted]


def _compared(
    graph: NodeGraph, around: list[Arrays], features: int
) -> Iterator[tuple[str, Arrays]]:
    yield "the snapshot's graph", graph.arrays
    for number, arrays in enumerate(around, start=1):
        yield f"the neighbourhood of golden sample {number}", arrays
    yield from parity_graphs(features)
