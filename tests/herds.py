"""A model of herds that is small enough to compute by hand, as a real bundle's files; no torch.

Heavy animals are oxen, light ones are sheep. What only the graph measures is `measure_bulk`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

from tidemill.bundle import Golden, encode

TARGET = "kind"
LABELS = ("ox", "sheep")
SHARPNESS = 0.1
MIDDLE = 100.0
"""An animal of this weight is either, one as likely as the other."""


def herd(*weights: float, first: int = 0) -> bytes:
    """A herd of such animals, named a0, a1, ..., each a hundredth as high as it is heavy."""
    animals = [
        {"height": weight / 100, "id": f"a{at}", "weight": float(weight)}
        for at, weight in enumerate(weights, first)
    ]
    return json.dumps({"animals": animals}, separators=(",", ":"), sort_keys=True).encode()


def chances(weight: float) -> dict[str, float]:
    """The probabilities that the model gives to such an animal, computed without it."""
    ox = 1 / (1 + np.exp(-2 * SHARPNESS * (weight - MIDDLE)))
    return {"ox": float(ox), "sheep": float(1 - ox)}


def model(labels: int = len(LABELS)) -> bytes:
    """`animals` [n, 2] to `embedding` [n, 2], `logits_kind` [n, labels] and `measure_bulk` [n]."""
    weights = np.zeros((2, labels), np.float32)
    weights[0, :2] = (SHARPNESS, -SHARPNESS)
    constants: dict[str, npt.NDArray[Any]] = {
        "middle": np.array([MIDDLE, 0], np.float32),
        "weights": weights,
        "last": np.array([1], np.int64),
    }
    node, value = helper.make_node, helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            node("Sub", ["animals", "middle"], ["embedding"]),
            node("MatMul", ["embedding", "weights"], [f"logits_{TARGET}"]),
            node("ReduceProd", ["animals", "last"], ["measure_bulk"], keepdims=0),
        ],
        "herd",
        [value("animals", TensorProto.FLOAT, ["n", 2])],
        [
            value(f"logits_{TARGET}", TensorProto.FLOAT, ["n", labels]),
            value("embedding", TensorProto.FLOAT, ["n", 2]),
            value("measure_bulk", TensorProto.FLOAT, ["n"]),
        ],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    graph_model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9
    )
    content: bytes = graph_model.SerializeToString()
    return content


def golden() -> list[Golden]:
    """Herds of one: sheep and oxen, some of them nearly in the middle."""
    weights = [MIDDLE + step for step in (-40, -10, -4, 4, 10, 40)]
    return [
        Golden(herd(weight, first=at), {TARGET: LABELS[weight < MIDDLE]}, {TARGET: chances(weight)})
        for at, weight in enumerate(weights)
    ]


def files(
    samples: Sequence[Golden] | None = None, *, year: int = 1
) -> tuple[Mapping[str, bytes], Sequence[bytes]]:
    """The files of a bundle but for its reference, and held-out herds of one to make that of."""
    judged = golden() if samples is None else samples
    contents = {
        "model.onnx": model(),
        "codec.json": encode({"kind": "herd", "config": {"year": year}}),
        "classes.json": encode({TARGET: list(LABELS)}),
        "golden.json": encode([sample.to_json() for sample in judged]),
        "evaluation.json": b"{}",
        "lineage.json": b"{}",
        "card.md": b"herd",
    }
    return contents, [sample.payload for sample in golden()]
