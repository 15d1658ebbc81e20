"""Export a fitted network to ONNX, and prove that the file gives the same answers."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from tidemill.bundle import TOLERANCE
from tidemill.codecs.codec import Arrays
from tidemill.domain.errors import DataError
from tidemill.learn.arrays import EncodedSplit
from tidemill.learn.batches import Batches
from tidemill.learn.inference import NetworkOutputs, infer
from tidemill.learn.network import EMBEDDING, Network, logits_of
from tidemill.predictor import softmax

BATCHES = (1, 2, 7, 64)
_TEMPORARY = "answer."
TRACED = 8
"""The least length of a ragged array at which a network is traced."""


@dataclass(frozen=True, slots=True)
class Parity:
    """The largest difference of a probability, and over how many examples and batch sizes."""

    difference: float
    examples: int
    batches: tuple[int, ...]


def export(
    network: Network, temperatures: Mapping[str, float], path: Path, like: EncodedSplit
) -> None:
    """Write the network as one self-contained ONNX file that takes what `like` holds.

    Inputs are the codec's arrays by name, for any batch and, where the network calls them ragged,
    any length. Outputs: `logits_<target>` [batch, k], divided by that target's temperature, so that
    their softmax is calibrated, and `embedding` [batch, d]. The file's bytes depend on weights and
    temperatures alone.
    """
    shown = _shown(network, like)
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length")
    axes = [{0: batch, 1: length} if name in network.ragged else {0: batch} for name in shown]
    write_graph(network, temperatures, path, shown, axes)


def write_graph(
    network: Network,
    temperatures: Mapping[str, float],
    path: Path,
    shown: Arrays,
    axes: Sequence[Mapping[int, Any]],
    *,
    also: Sequence[str] = (),
) -> None:
    """Trace the network over `shown`, whose arrays have the free `axes`, and write the file.

    `also` names outputs that are written besides those of `export`. Raises DataError for a network
    that cannot be exported, or that would not be answered alike each time.
    """
    with _quiet():
        program = torch.onnx.export(
            graph := _Graph(network, temperatures, list(shown), also).eval(),
            tuple(torch.from_numpy(array) for array in shown.values()),
            dynamo=True,
            verbose=False,
            input_names=list(shown),
            output_names=[_TEMPORARY + name for name in graph.names],
            dynamic_shapes={"arrays": tuple(axes)},
        )
    if program is None:
        raise DataError("The network could not be exported.")
    model = program.model_proto
    _strip(model)
    _name(model.graph, graph.names)
    onnx.checker.check_model(model, full_check=True)
    _refuse_races(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _refuse_races(model: onnx.ModelProto) -> None:
    """Raise DataError for operations in which threads would overwrite one another.

    ONNX Runtime (1.31) shares the rows of a ScatterND out among its threads, also when it adds up
    and two of them go to one place. No comparison finds that for sure: it shows now and then.
    """
    for node in (*model.graph.node, *(row for part in model.functions for row in part.node)):
        how = {row.name: row.s for row in node.attribute}.get("reduction", b"none")
        if node.op_type == "ScatterND" and how != b"none":
            raise DataError(
                "The network adds rows up by an index, which the serving runtime gets wrong.",
                hint="Write index_put(accumulate=True) and index_add as scatter_add.",
            )


def parity(
    network: Network,
    temperatures: Mapping[str, float],
    path: Path,
    split: EncodedSplit,
    *,
    batches: Sequence[int] = BATCHES,
) -> Parity:
    """Compare calibrated probabilities of the network and of the file, for several batch sizes.

    Each size in `batches` is run over the first min(n, 64) examples of `split`; ragged ones are
    padded otherwise by each. Raises DataError when a probability differs by more than TOLERANCE,
    is not a number, or an output is missing.
    """
    first = split.first(max(batches))
    expected = infer(network, first)
    worst = 0.0
    for size in batches:
        answered = run_graph(path, first, batch_size=size)
        worst = max(worst, gap(expected, answered, temperatures, f"at batch size {size}"))
    return Parity(worst, len(first), tuple(batches))


def gap(
    expected: NetworkOutputs,
    answered: NetworkOutputs,
    temperatures: Mapping[str, float],
    where: str,
) -> float:
    """Return the largest difference of a probability between a network's outputs and its file's.

    Raises DataError, which says `where`, when that is more than TOLERANCE or not a number, and when
    an output is missing.
    """
    if missing := set(expected) - set(answered):
        raise DataError(f"The exported graph has no output {', '.join(sorted(missing))}.")
    worst = 0.0
    for target, temperature in temperatures.items():
        name = logits_of(target)
        difference = np.abs(softmax(answered[name]) - softmax(expected[name] / temperature)).max()
        # Written so that a difference which is not a number is refused too.
        if not difference <= TOLERANCE:
            raise DataError(
                f"The exported graph differs from the network by {difference:.2g} in a probability"
                f" of {target!r} {where} (at most {TOLERANCE}).",
                hint="Train again; if it stays, report the network with this sentence.",
            )
        worst = max(worst, float(difference))
    return worst


def run_graph(path: Path, split: EncodedSplit, *, batch_size: int = 64) -> NetworkOutputs:
    """Return all named outputs of the file for the examples of a split, in their order."""
    session = open_graph(path)
    names = [output.name for output in session.get_outputs()]
    order = Batches(split, batch_size).order()
    parts = [session.run(names, split.take(at)) for at in order]
    back = np.argsort(np.concatenate(order))
    return {
        name: np.concatenate([part[at] for part in parts])[back] for at, name in enumerate(names)
    }


def _shown(network: Network, like: EncodedSplit) -> Arrays:
    """Return two examples to trace, padded if ragged: a length of 2 or less would be fixed."""
    shown = like.take(np.arange(min(2, len(like))))
    for name, array in shown.items():
        wider = max(0, TRACED - array.shape[1]) if name in network.ragged else 0
        pads = [(0, 2 - len(array)), (0, wider), *[(0, 0)] * (array.ndim - 2)]
        shown[name] = np.pad(array, pads)
    return shown


def open_graph(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Threads that spin would take the processor from whatever else runs here.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _name(graph: onnx.GraphProto, names: Sequence[str]) -> None:
    """Give the outputs their names. torch calls what an embedding layer makes `embedding`, too."""
    known = {name: f"{name}_inner" for name in names}
    known |= {_TEMPORARY + name: name for name in names}
    for node in graph.node:
        for values in (node.input, node.output):
            values[:] = [known.get(value, value) for value in values]
    for output in graph.output:
        output.name = known[output.name]


def _strip(model: onnx.ModelProto) -> None:
    """Remove traces of the exporting machine: stack traces, source paths, module names.

    Shapes of inner values go too: a runtime infers them, and stale ones stop quantisation.
    """
    graph = model.graph
    del graph.value_info[:]
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    for function in model.functions:
        for inner in (function, *function.node):
            del inner.metadata_props[:]
            inner.doc_string = ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence three warnings that users cannot act on."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    # It reports that torchvision is missing, which is intended.
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # torch.export copies its own deprecated LeafSpec (torch 2.13).
            warnings.filterwarnings(
                "ignore", message=r"`isinstance\(treespec, LeafSpec\)`", category=FutureWarning
            )
            # Two arrays of one length share the name of that axis, as they should.
            warnings.filterwarnings("ignore", message="# The axis name: ", category=UserWarning)
            yield
    finally:
        logger.setLevel(level)


class _Graph(nn.Module):
    def __init__(
        self,
        network: Network,
        temperatures: Mapping[str, float],
        inputs: Sequence[str],
        also: Sequence[str],
    ) -> None:
        super().__init__()
        self.network = network
        self.temperatures = dict(temperatures)
        self.inputs = list(inputs)
        self.names = [*(logits_of(target) for target in network.targets), EMBEDDING, *also]

    def forward(self, *arrays: Tensor) -> tuple[Tensor, ...]:
        outputs = self.network(**dict(zip(self.inputs, arrays, strict=True)))
        logits = [
            outputs[logits_of(target)] / self.temperatures[target]
            for target in self.network.targets
        ]
        return (*logits, *(outputs[name] for name in self.names[len(logits) :]))
