from __future__ import annotations

import json

import numpy as np
import pytest

from tidemill.domain.errors import DataError
from tidemill.learn.evaluate import evaluate

NAMES = ("healthy", "miner", "rust")


def test_figures_by_hand() -> None:
    probabilities = np.array(
        [[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1], [0.2, 0.5, 0.3]]
    )
    labels = np.array([0, 0, 1, 1, 2])
    scores = evaluate(probabilities, labels, NAMES)
    assert scores.confusion == ((1, 1, 0), (1, 1, 0), (0, 1, 0))
    assert scores.accuracy == pytest.approx(2 / 5)
    healthy, miner, rust = scores.classes
    assert (healthy.precision, healthy.recall, healthy.f1) == (0.5, 0.5, 0.5)
    assert miner.precision == pytest.approx(1 / 3)
    assert miner.f1 == pytest.approx(2 / 5)
    assert (rust.precision, rust.recall, rust.f1, rust.support) == (0.0, 0.0, 0.0, 1)
    assert scores.macro_f1 == pytest.approx((0.5 + 0.4 + 0.0) / 3)
    assert scores.nll == pytest.approx(-np.log([0.7, 0.4, 0.8, 0.3, 0.3]).mean())
    assert scores.examples == 5


def test_a_label_that_never_occurs_does_not_drag_the_mean_down() -> None:
    scores = evaluate(np.array([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0]]), np.array([0, 1]), NAMES)
    assert scores.macro_f1 == 1.0


def test_scores_are_json() -> None:
    scores = evaluate(np.array([[0.9, 0.1, 0.0]], np.float32), np.array([0]), NAMES)
    body = json.loads(json.dumps(scores.to_json(), allow_nan=False))
    assert body["classes"][0]["label"] == "healthy"
    assert body["confusion"] == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("probabilities", "labels"),
    [
        (np.zeros((0, 3)), np.zeros(0, np.int64)),
        (np.zeros((2, 2)), np.zeros(2, np.int64)),
        (np.full((1, 3), np.nan), np.zeros(1, np.int64)),
    ],
)
def test_what_cannot_be_scored_is_refused(
    probabilities: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    labels: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> None:
    with pytest.raises(DataError):
        evaluate(probabilities, labels, NAMES)
