"""An exported graph in whole numbers of 8 bits: a quarter of the size, and often faster."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

from tidemill.learn.arrays import EncodedSplit
from tidemill.learn.export import run_graph
from tidemill.learn.network import Network, logits_of
from tidemill.learn.static_int8 import convolutional, quantise_convolutions
from tidemill.predictor import softmax

WEIGHTS = ("MatMul", "Gemm", "Gather")
"""Operations whose weights are quantised dynamically: matrices of texts, tables, transformers."""
BATCH = 64


@dataclass(frozen=True, slots=True)
class Quantised:
    """What it cost: answers that stayed (a share), the largest change of a probability, bytes.

    `calibrated` is how many training examples set the ranges of activations; 0 where they are
    measured anew in each run.
    """

    agreement: float
    difference: float
    bytes_before: int
    bytes_after: int
    calibrated: int = 0

    @property
    def batch_size(self) -> int:
        """How many examples such a graph may answer at a time: ranges of a run are its batch's."""
        return BATCH if self.calibrated else 1


def quantise(network: Network, path: Path, train: EncodedSplit, val: EncodedSplit) -> Quantised:
    """Replace the network's graph in `path` by one with int8 weights; compare the two over `val`.

    Of a convolution network the activations are quantised statically, with ranges from training
    examples. Of any other they are quantised as they come (dynamically), so no calibration data is
    needed; but their range is that of the whole batch, so such a graph answers one example at a
    time, as its metadata say to whoever runs it.
    """
    before, size = run_graph(path, val), path.stat().st_size
    calibrated = 0
    with _quiet():
        if convolutional(network):
            calibrated = quantise_convolutions(path, train)
        else:
            quantize_dynamic(
                path, path, op_types_to_quantize=list(WEIGHTS), weight_type=QuantType.QInt8
            )
    _tell(path, "int8, static" if calibrated else "int8")
    after = run_graph(path, val, batch_size=BATCH if calibrated else 1)
    names = [logits_of(target) for target in network.targets]
    same = np.logical_and.reduce(
        [before[name].argmax(axis=1) == after[name].argmax(axis=1) for name in names]
    )
    difference = max(
        float(np.abs(softmax(before[name]) - softmax(after[name])).max()) for name in names
    )
    return Quantised(float(same.mean()), difference, size, path.stat().st_size, calibrated)


def _tell(path: Path, precision: str) -> None:
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"precision": precision})
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
