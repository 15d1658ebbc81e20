"""Quantise an exported graph to int8: a quarter of the size, and often faster."""

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
"""Operations with dynamic quantisation: matrices of texts, tables and transformers."""
BATCH = 64


@dataclass(frozen=True, slots=True)
class Quantised:
    """The cost of quantisation: share of unchanged answers, largest change of a probability, bytes.

    `calibrated` counts the training examples that set the ranges of activations. It is 0 where
    each run measures its own ranges.
    """

    agreement: float
    difference: float
    bytes_before: int
    bytes_after: int
    calibrated: int = 0

    @property
    def batch_size(self) -> int:
        """The number of examples that the graph may answer at a time: one for a dynamic graph."""
        return BATCH if self.calibrated else 1


def quantise(network: Network, path: Path, train: EncodedSplit, val: EncodedSplit) -> Quantised:
    """Replace the network's graph in `path` by one with int8 weights; compare the two over `val`.

    The activations of a convolution network are quantised statically, with ranges from training
    examples. Those of any other network are quantised dynamically, without calibration data. Their
    range is that of the whole batch, so such a graph answers one example at a time. Its metadata
    say so: `precision` is int8, and `single` is true.
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
    _write_precision(path, single=not calibrated)
    after = run_graph(path, val, batch_size=BATCH if calibrated else 1)
    names = [logits_of(target) for target in network.targets]
    same = np.logical_and.reduce(
        [before[name].argmax(axis=1) == after[name].argmax(axis=1) for name in names]
    )
    difference = max(
        float(np.abs(softmax(before[name]) - softmax(after[name])).max()) for name in names
    )
    return Quantised(float(same.mean()), difference, size, path.stat().st_size, calibrated)


def _write_precision(path: Path, *, single: bool) -> None:
    """Flag the graph as int8; `single` when it must answer one payload at a time."""
    model = onnx.load(path)
    flags = {"precision": "int8", "single": "true" if single else "false"}
    onnx.helper.set_model_props(model, flags)
    path.write_bytes(model.SerializeToString(deterministic=True))


@contextmanager
def _quiet() -> Iterator[None]:
    """Drop the advice to run a preparation that has no effect on these graphs."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
