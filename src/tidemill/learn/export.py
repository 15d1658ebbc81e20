"""Export a fitted network to ONNX, and prove that the file answers as the network does."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from tidemill.bundle import TOLERANCE
from tidemill.domain.errors import DataError
from tidemill.learn.arrays import INPUT, Pixels
from tidemill.learn.inference import infer
from tidemill.learn.network import EMBEDDING, ImageNetwork, logits_of
from tidemill.predictor import softmax

BATCHES = (1, 2, 7, 64)


@dataclass(frozen=True, slots=True)
class Parity:
    """The largest difference of a probability that was found, and over how much."""

    difference: float
    examples: int
    batches: tuple[int, ...]


def export(
    network: ImageNetwork, temperatures: Mapping[str, float], path: Path, *, size: tuple[int, int]
) -> None:
    """Write the network as one self-contained ONNX file for pictures of `size` (height, width).

    Input `image`: uint8 [batch, h, w, 3], any batch. Outputs: `logits_<target>` [batch, k],
    divided by that target's temperature, so that their softmax is calibrated, and `embedding`
    [batch, d]. The file's bytes depend on weights and temperatures alone.
    """
    with _quiet():
        program = torch.onnx.export(
            graph := _Graph(network, temperatures).eval(),
            (torch.zeros(2, *size, 3, dtype=torch.uint8),),
            dynamo=True,
            verbose=False,
            input_names=[INPUT],
            output_names=graph.names,
            dynamic_shapes={INPUT: {0: torch.export.Dim("batch")}},
        )
    if program is None:
        raise DataError("The network could not be exported.")
    model = program.model_proto
    _strip(model)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def parity(
    network: ImageNetwork,
    temperatures: Mapping[str, float],
    path: Path,
    images: Pixels,
    *,
    batches: Sequence[int] = BATCHES,
) -> Parity:
    """Compare calibrated probabilities of the network and of the file, for several batch sizes.

    `images` are real examples, uint8 [n, h, w, 3]; each size in `batches` is run over the first
    min(n, 64) of them. Raises DataError when a probability differs by more than TOLERANCE, is not
    a number, or an output is missing.
    """
    images = np.array(images[: max(batches)])
    expected = infer(network, images)
    session = _session(path)
    names = {target: logits_of(target) for target in network.targets}
    known = {output.name for output in session.get_outputs()}
    for name in (*names.values(), EMBEDDING):
        if name not in known:
            raise DataError(f"The exported graph has no output {name!r}.")
    worst = 0.0
    for size in batches:
        parts = [
            session.run(list(names.values()), {INPUT: images[start : start + size]})
            for start in range(0, len(images), size)
        ]
        for at, (target, name) in enumerate(names.items()):
            answered = softmax(np.concatenate([part[at] for part in parts]))
            gap = np.abs(answered - softmax(expected[name] / temperatures[target])).max()
            # Written so that a gap which is not a number is refused too.
            if not gap <= TOLERANCE:
                raise DataError(
                    f"The exported graph differs from the network by {gap:.2g} in a probability"
                    f" of {target!r} at batch size {size} (at most {TOLERANCE}).",
                    hint="Train again; if it stays, report the network with this sentence.",
                )
            worst = max(worst, float(gap))
    return Parity(worst, len(images), tuple(batches))


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _strip(model: onnx.ModelProto) -> None:
    """Take out what tells of the exporting machine: stack traces, source paths, module names.

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
    """Keep back two things that nobody who exports can act on."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    # It tells that torchvision is missing, which it always is here.
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # torch.export copies its own deprecated LeafSpec (torch 2.13).
            warnings.filterwarnings(
                "ignore", message=r"`isinstance\(treespec, LeafSpec\)`", category=FutureWarning
            )
            yield
    finally:
        logger.setLevel(level)


class _Graph(nn.Module):
    def __init__(self, network: ImageNetwork, temperatures: Mapping[str, float]) -> None:
        super().__init__()
        self.network = network
        self.temperatures = dict(temperatures)
        self.names = [*(logits_of(target) for target in network.targets), EMBEDDING]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        outputs = self.network(image)
        logits = [
            outputs[logits_of(target)] / self.temperatures[target]
            for target in self.network.targets
        ]
        return (*logits, outputs[EMBEDDING])
