from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tidemill.domain.errors import DataError, UsageError
from tidemill.learn.arrays import EncodedSplit
from tidemill.learn.calibrate import fit_temperature
from tidemill.learn.digest import weights_digest
from tidemill.learn.evaluate import evaluate
from tidemill.learn.fit import FitStep, fit
from tidemill.learn.inference import infer
from tidemill.learn.plan import TrainPlan
from tidemill.learn.residual import ResidualCNN
from tidemill.predictor import softmax

MakeSplit = Callable[[int, int], EncodedSplit]


def test_the_seed_alone_decides_the_weights(
    network: ResidualCNN, split: MakeSplit, plan: TrainPlan
) -> None:
    before = weights_digest(network.state_dict())
    torch.manual_seed(5)
    first = fit(network, split(36, 0), split(12, 1), plan, seed=0)
    torch.manual_seed(6)
    second = fit(network, split(36, 0), split(12, 1), plan, seed=0)
    other = fit(network, split(36, 0), split(12, 1), plan, seed=1)
    assert first.weights == second.weights == weights_digest(first.network.state_dict())
    assert first.weights != other.weights
    assert weights_digest(network.state_dict()) == before


def test_two_threads_repeat_themselves_too(
    network: ResidualCNN, split: MakeSplit, plan: TrainPlan
) -> None:
    once = replace(plan, threads=2, epochs=1)
    digests = {fit(network, split(36, 0), split(12, 1), once, seed=3).weights for _ in range(2)}
    assert len(digests) == 1


def test_the_best_epochs_weights_come_back(
    network: ResidualCNN, split: MakeSplit, plan: TrainPlan
) -> None:
    val = split(24, 1)
    wild = replace(plan, epochs=5, learning_rate=0.05, averaging=0.0)
    fitted = fit(network, split(36, 0), val, wild, seed=0)
    best = min(fitted.history, key=lambda row: row.nll)
    assert best.epoch == fitted.best_epoch
    logits = infer(fitted.network, val)["logits_shade"]
    scaled = logits / fit_temperature(logits, val.labels["shade"])
    scores = evaluate(softmax(scaled), val.labels["shade"], ["0", "1", "2"])
    assert scores.nll == pytest.approx(best.nll, abs=1e-5)
    assert scores.accuracy == best.accuracy["shade"]
    assert not fitted.network.training


def test_what_is_plain_to_see_is_learned(
    network: ResidualCNN, split: MakeSplit, plan: TrainPlan
) -> None:
    fitted = fit(
        network, split(60, 0), split(24, 1), replace(plan, epochs=8, averaging=0.5), seed=0
    )
    assert fitted.history[fitted.best_epoch - 1].accuracy["shade"] > 0.9


def test_progress_counts_every_step_and_epoch(
    network: ResidualCNN, split: MakeSplit, plan: TrainPlan
) -> None:
    reports: list[FitStep] = []
    fit(network, split(40, 0), split(12, 1), plan, seed=0, progress=reports.append)
    steps = [step for step in reports if step.scores is None]
    assert [step.step for step in steps] == list(range(1, 10))
    assert {step.steps for step in reports} == {9}
    assert [step.epoch for step in reports if step.scores] == [1, 2, 3]
    assert [step.scores.epoch for step in reports if step.scores] == [1, 2, 3]


def test_global_state_and_the_folder_are_left_alone(
    network: ResidualCNN,
    split: MakeSplit,
    plan: TrainPlan,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(9)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    level = logging.getLogger("lightning.pytorch").level
    fit(network, split(24, 0), split(12, 1), replace(plan, epochs=1), seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    assert logging.getLogger("lightning.pytorch").level == level
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_no_epoch_begins_after_the_time_is_up(
    network: ResidualCNN, split: MakeSplit, plan: TrainPlan
) -> None:
    short = replace(plan, epochs=50, max_seconds=1e-6)
    assert len(fit(network, split(24, 0), split(12, 1), short, seed=0).history) == 1


def test_an_interruption_is_one_and_the_next_ctrl_c_is_heard(
    network: ResidualCNN, split: MakeSplit, plan: TrainPlan
) -> None:
    def interrupt(step: FitStep) -> None:
        if step.epoch == 2:
            raise KeyboardInterrupt("by hand")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="by hand"):
        fit(network, split(24, 0), split(12, 1), plan, seed=0, progress=interrupt)
    assert signal.getsignal(signal.SIGINT) is before
    assert not torch.are_deterministic_algorithms_enabled()


def test_an_exit_that_somebody_meant_stays_one(
    network: ResidualCNN, split: MakeSplit, plan: TrainPlan
) -> None:
    def leave(_: FitStep) -> None:
        sys.exit(7)

    with pytest.raises(SystemExit, match="7"):
        fit(network, split(24, 0), split(12, 1), plan, seed=0, progress=leave)


def test_divergence_is_said(network: ResidualCNN, split: MakeSplit, plan: TrainPlan) -> None:
    absurd = replace(plan, learning_rate=1e30)
    with pytest.raises(UsageError, match="diverged"):
        fit(network, split(24, 0), split(12, 1), absurd, seed=0)


def test_splits_must_fit_the_network(
    network: ResidualCNN, split: MakeSplit, plan: TrainPlan
) -> None:
    other = EncodedSplit(split(6, 0).arrays, {"colour": np.zeros(6, np.int64)})
    with pytest.raises(DataError, match="colour"):
        fit(network, other, split(6, 0), plan, seed=0)
    with pytest.raises(DataError, match="no example"):
        fit(network, split(6, 0), split(0, 0), plan, seed=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 1},
        {"learning_rate": 0.0},
        {"schedule": "square"},
        {"clip": -1.0},
        {"precision": "64"},
    ],
)
def test_a_plan_that_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        TrainPlan(**{"epochs": 1, **wrong})
