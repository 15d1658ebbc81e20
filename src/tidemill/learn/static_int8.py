"""Static int8 for convolution networks: training examples set the ranges beforehand.

The ranges are fixed, so an answer does not depend on the rest of its batch.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from torch import nn

from tidemill.codecs.codec import Arrays
from tidemill.learn.arrays import EncodedSplit

ACTIVATIONS = ("Conv", "Relu", "Clip", "Add", "MaxPool", "GlobalAveragePool")
"""Operations between whole numbers. Normalisation and the final logits stay float.

They cost little, and 8 bits would round the probabilities.
"""
CALIBRATION = 128
"""Training examples whose activations set the ranges."""
CALIBRATION_BATCH = 16


def convolutional(network: nn.Module) -> bool:
    """Return True when most weights of the network are those of convolutions."""
    parts = [part for part in network.modules() if isinstance(part, nn.Conv2d)]
    inside = sum(part.weight.numel() for part in parts)
    return 2 * inside > sum(weight.numel() for weight in network.parameters())


def quantise_convolutions(path: Path, train: EncodedSplit) -> int:
    """Replace the graph in `path` by one in int8; the number of examples that set its ranges.

    Activations are unsigned, weights signed with a scale per channel. The ranges are the least and
    the greatest that CALIBRATION training examples reach, spread evenly over the split; the same
    examples give the same bytes.
    """
    at = np.unique(np.linspace(0, len(train) - 1, min(CALIBRATION, len(train))).astype(np.int64))
    quantize_static(
        path,
        path,
        _Reader(train, at),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=list(ACTIVATIONS),
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        # 7 bits: processors without VNNI add two products in 16 bits, which 8 bits would overflow,
        # and then the same graph answers otherwise on another machine.
        reduce_range=True,
    )
    return len(at)


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Yields the examples in batches, once."""

    def __init__(self, split: EncodedSplit, at: npt.NDArray[np.int64]) -> None:
        self._split = split
        self._parts = iter(
            [at[i : i + CALIBRATION_BATCH] for i in range(0, len(at), CALIBRATION_BATCH)]
        )

    def get_next(self) -> Arrays | None:
        part = next(self._parts, None)
        return None if part is None else self._split.take(part)
