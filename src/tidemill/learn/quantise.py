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
from torch import nn

from tidemill.domain.errors import UsageError
from tidemill.learn.arrays import EncodedSplit
from tidemill.learn.export import run_graph
from tidemill.learn.network import Network, logits_of
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


def refuse_convolutions(network: Network) -> None:
    """Raises UsageError for a network of pictures, which this way would only become slower."""
    if any(isinstance(part, nn.Conv2d) for part in network.modules()):
        raise UsageError(
            "int8 is offered for models of texts and tables.", hint="Use export.precision=fp32."
        )


def quantise(path: Path, split: EncodedSplit, targets: tuple[str, ...]) -> Quantised:
    """Replace the graph in `path` by one with int8 weights, and compare the two over `split`.

    Activations are quantised as they come (dynamically), so no calibration data is needed; but
    their range is that of the whole batch, so such a graph answers one example at a time, as its
    metadata say to whoever runs it.
    """
    before, size = run_graph(path, split), path.stat().st_size
    with _quiet():
        quantize_dynamic(
            path, path, op_types_to_quantize=list(WEIGHTS), weight_type=QuantType.QInt8
        )
    _tell(path)
    after = run_graph(path, split, batch_size=1)
    names = [logits_of(target) for target in targets]
    same = np.logical_and.reduce(
        [before[name].argmax(axis=1) == after[name].argmax(axis=1) for name in names]
    )
    difference = max(
        float(np.abs(softmax(before[name]) - softmax(after[name])).max()) for name in names
    )
    return Quantised(float(same.mean()), difference, size, path.stat().st_size)


def _tell(path: Path) -> None:
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"precision": "int8"})
    path.write_bytes(model.SerializeToString(deterministic=True))


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
