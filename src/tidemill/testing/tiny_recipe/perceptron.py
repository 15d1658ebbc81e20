"""A perceptron with one hidden layer, in numpy: training, prediction and export."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

from tidemill.domain.errors import UsageError
from tidemill.learn.plan import TrainPlan
from tidemill.predictor import softmax

Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]
Positions = npt.NDArray[np.int64]

FIRST, SECOND, TINY = 0.9, 0.999, 1e-8
"""Adam's decay of the two moments, and what keeps it from dividing by zero (Kingma, Ba 2015)."""


@dataclass(frozen=True, slots=True, eq=False)
class Perceptron:
    """Rows are centred and scaled, then `tanh(x @ w1 + b1) @ w2 + b2` are the logits."""

    centre: Matrix
    scale: Matrix
    w1: Matrix
    b1: Matrix
    w2: Matrix
    b2: Matrix

    def probabilities(self, rows: npt.NDArray[np.float32]) -> Floats:
        """Return the probability of every label [n, k] for the rows [n, d]."""
        embedding = np.tanh((rows - self.centre) / self.scale @ self.w1 + self.b1)
        return softmax(embedding @ self.w2 + self.b2)

    def digest(self) -> str:
        """Return the sha256 in hex over every array's name, shape and bytes."""
        digest = hashlib.sha256()
        for field in fields(self):
            array: Matrix = getattr(self, field.name)
            digest.update(f"{field.name} {array.shape}\n".encode() + array.tobytes())
        return digest.hexdigest()

    def graph(self, target: str) -> bytes:
        """As ONNX, from `pebble` [n, d] to `logits_<target>` and `embedding`."""
        size, hidden = self.w1.shape
        logits = f"logits_{target}"
        graph = helper.make_graph(
            [
                helper.make_node("Sub", ["pebble", "centre"], ["centred"]),
                helper.make_node("Div", ["centred", "scale"], ["scaled"]),
                helper.make_node("Gemm", ["scaled", "w1", "b1"], ["raised"]),
                helper.make_node("Tanh", ["raised"], ["embedding"]),
                helper.make_node("Gemm", ["embedding", "w2", "b2"], [logits]),
            ],
            "perceptron",
            [helper.make_tensor_value_info("pebble", TensorProto.FLOAT, ["n", size])],
            [
                helper.make_tensor_value_info(logits, TensorProto.FLOAT, ["n", len(self.b2)]),
                helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", hidden]),
            ],
            [numpy_helper.from_array(getattr(self, row.name), row.name) for row in fields(self)],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        content: bytes = model.SerializeToString()
        return content


def fit_perceptron(
    rows: npt.NDArray[np.float32],
    labels: Positions,
    classes: int,
    *,
    hidden: int,
    plan: TrainPlan,
    seed: int,
    report_epoch: Callable[[int, float], None],
) -> Perceptron:
    """Learn rows [n, d] and their labels' positions [n].

    `report_epoch` gets each epoch and its loss.

    Every epoch is one step of Adam over all rows at once, so of the plan's figures `epochs`,
    `learning_rate` and `weight_decay` count. Raises UsageError when the training diverges.
    """
    centre, scale = rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64) + TINY
    inputs = (rows - centre) / scale
    truth = np.eye(classes)[labels]
    draw = np.random.default_rng(seed)
    size = inputs.shape[1]
    now = [
        draw.standard_normal((size, hidden)) / np.sqrt(size),
        draw.standard_normal(hidden),
        draw.standard_normal((hidden, classes)) / np.sqrt(hidden),
        np.zeros(classes),
    ]
    first, second = [np.zeros_like(row) for row in now], [np.zeros_like(row) for row in now]
    for epoch in range(1, plan.epochs + 1):
        # An overflow shows in the loss.
        with np.errstate(over="ignore", invalid="ignore"):
            loss, slopes = _slopes(inputs, truth, now, plan.weight_decay)
        if not np.isfinite(loss):
            raise UsageError(
                f"The training diverged in epoch {epoch}.", hint="Lower train.learning_rate."
            )
        for at, slope in enumerate(slopes):
            first[at] = FIRST * first[at] + (1 - FIRST) * slope
            second[at] = SECOND * second[at] + (1 - SECOND) * slope**2
            ahead = first[at] / (1 - FIRST**epoch)
            spread = np.sqrt(second[at] / (1 - SECOND**epoch))
            now[at] = now[at] - plan.learning_rate * ahead / (spread + TINY)
        report_epoch(epoch, loss)
    return Perceptron(*(row.astype(np.float32) for row in (centre, scale, *now)))


def _slopes(
    inputs: Floats, truth: Floats, now: list[Floats], decay: float
) -> tuple[float, list[Floats]]:
    """Return the loss with `decay` times half the squared weights, and its slopes at `now`."""
    w1, b1, w2, b2 = now
    raised = np.tanh(inputs @ w1 + b1)
    answered = softmax(raised @ w2 + b2)
    loss = -np.log(np.maximum((answered * truth).sum(axis=1), 1e-12)).mean()
    loss += decay / 2 * ((w1**2).sum() + (w2**2).sum())
    error = (answered - truth) / len(inputs)
    behind = (error @ w2.T) * (1 - raised**2)
    return float(loss), [
        inputs.T @ behind + decay * w1,
        behind.sum(axis=0),
        raised.T @ error + decay * w2,
        error.sum(axis=0),
    ]
