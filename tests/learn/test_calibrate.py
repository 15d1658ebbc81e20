from __future__ import annotations

import numpy as np
import pytest

from tidemill.domain.errors import DataError
from tidemill.learn.calibrate import (
    HIGHEST,
    LOWEST,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability,
)
from tidemill.predictor import softmax


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_labels_is_found(true: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (20_000, 4)).astype(np.float32)
    # Gumbel's trick draws a label from softmax(logits / true).
    labels = (logits / true + random.gumbel(size=logits.shape)).argmax(axis=1)
    assert fit_temperature(logits, labels) == pytest.approx(true, rel=0.05)


def test_scaling_lowers_the_likelihood_loss_and_keeps_the_answers() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(0, 6, (500, 3))
    labels = (logits / 4 + random.gumbel(size=logits.shape)).argmax(axis=1)
    temperature = fit_temperature(logits, labels)
    before, after = softmax(logits), softmax(logits / temperature)
    assert negative_log_likelihood(after, labels) < negative_log_likelihood(before, labels)
    assert expected_calibration_error(after, labels) < expected_calibration_error(before, labels)
    assert (before.argmax(axis=1) == after.argmax(axis=1)).all()


def test_perfect_and_hopeless_logits_stay_within_the_bounds() -> None:
    logits = np.eye(3)[[0, 1, 2] * 10]
    right = np.array([0, 1, 2] * 10)
    assert LOWEST <= fit_temperature(logits, right) < 0.06
    assert 19 < fit_temperature(10 * logits, (right + 1) % 3) <= HIGHEST


def test_calibration_error_by_hand() -> None:
    # Two answers in the bin (0.8, 0.867]: confidence 0.85, one right. One in (0.6, 0.667]: right.
    probabilities = np.array([[0.85, 0.15], [0.15, 0.85], [0.65, 0.35]])
    labels = np.array([0, 0, 0])
    expected = (2 * abs(0.5 - 0.85) + 1 * abs(1.0 - 0.65)) / 3
    assert expected_calibration_error(probabilities, labels) == pytest.approx(expected)
    table = reliability(probabilities, labels)
    assert table.counts.sum() == 3
    assert table.counts[12] == 2
    assert table.accuracy[12] == 0.5


def test_a_certain_answer_falls_in_the_last_bin() -> None:
    assert reliability(np.array([[1.0, 0.0]]), np.array([0])).counts[-1] == 1


def test_a_certain_error_costs_much_but_not_infinity() -> None:
    assert negative_log_likelihood(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(
        27.63, abs=0.01
    )


def test_nothing_to_calibrate_on_is_refused() -> None:
    with pytest.raises(DataError):
        fit_temperature(np.zeros((0, 3)), np.zeros(0, np.int64))
    with pytest.raises(DataError):
        fit_temperature(np.full((2, 3), np.nan), np.zeros(2, np.int64))
