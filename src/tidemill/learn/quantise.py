"""An exported graph in whole numbers of 8 bits: a quarter of the size, and often twice as fast."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

from tidemill.domain.errors import UsageError
from tidemill.learn.arrays import EncodedSplit
from tidemill.learn.export import run_graph
from tidemill.learn.network import logits_of
from tidemill.predictor import softmax

WEIGHTS = ("MatMul", "Gemm", "Gather")
"""Operations whose weights are quantised: the matrices of texts and tables."""


@dataclass(frozen=True, slots=True)
class Quantised:
    """What it cost: answers that stayed (a share), the largest change of a probability, bytes."""

    agreement: float
    difference: float
    bytes_before: int
    bytes_after: int


def quantise(path: Path, split: EncodedSplit, targets: tuple[str, ...]) -> Quantised:
    """Replace the graph in `path` by one with int8 weights, and compare the two over `split`.

    Activations are quantised as they come (dynamically), so no calibration data is needed. Raises
    UsageError for a graph of convolutions, which would become slower this way.
    """
    model = onnx.load(path)
    if any(node.op_type == "Conv" for node in model.graph.node):
        raise UsageError(
            "int8 is offered for models of texts and tables.", hint="Use export.precision=fp32."
        )
    before, size = run_graph(path, split), path.stat().st_size
    with _quiet():
        quantize_dynamic(
            model, path, op_types_to_quantize=list(WEIGHTS), weight_type=QuantType.QInt8
        )
    after = run_graph(path, split)
    names = [logits_of(target) for target in targets]
    same = np.logical_and.reduce(
        [before[name].argmax(axis=1) == after[name].argmax(axis=1) for name in names]
    )
    difference = max(
        float(np.abs(softmax(before[name]) - softmax(after[name])).max()) for name in names
    )
    return Quantised(float(same.mean()), difference, size, path.stat().st_size)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back the advice to run a preparation that changes nothing for these graphs."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
