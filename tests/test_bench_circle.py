"""How the benchmark of the whole loop judges a trial; the trials here are made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from bench import live_loop, real
from bench.circle import (
    describe_outcome,
    draw_trial,
    is_borne_out,
    judge_goals,
    list_drifted,
    write_rows,
)
from bench.loop_trial import Comparison, LoopTrial
from bench.record import Record

from tidemill.domain.cycle import Cycle, CycleState
from tidemill.domain.drift import DriftVerdict, FeatureDrift
from tidemill.domain.errors import TidemillError
from tidemill.domain.types import Check
from tidemill.loop.gate import GatePolicy

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SAME = FeatureDrift("prediction.disease", 0.05, 0.1, 0.5, False)
DARKER = FeatureDrift("brightness", 1.5, 0.6, 0.0, True)
REDDER = FeatureDrift("red", 0.4, 0.3, 0.0, True)
REFUSED = Check("fresh_gain", False, "accuracy moved by at least -0.0100 on 50 fresh", -0.01)


def verdict(n: int, *features: FeatureDrift) -> DriftVerdict:
    drifted = any(row.drifted for row in features)
    return DriftVerdict("d", "v1", drifted, n, 250, NOW, NOW, features, NOW, 0.2)


def compare(lost: int, same: int, gained: int) -> Comparison:
    champion = [True] * lost + [True] * same + [False] * gained
    challenger = [False] * lost + [True] * same + [True] * gained
    return Comparison(np.array(champion), np.array(challenger))


def make_trial(
    state: CycleState, *, checks: tuple[Check, ...] = (), **sets: Comparison
) -> LoopTrial:
    worst = compare(0, 100, 0)
    return LoopTrial(
        same_camera=[verdict(100, SAME)],
        other_camera=[verdict(100, SAME), verdict(100, SAME, REDDER, DARKER)],
        close_ups=280,
        labelled=146,
        cycle=Cycle("c", "coffee", "drift", "it drifted", "v1", NOW, state, "so it is"),
        promoted=state == "settled",
        checks=checks,
        policy=GatePolicy(margin=0.06),
        sets={
            "held out": sets.get("held_out", worst),
            "test": sets.get("test", worst),
            "fresh": sets.get("fresh", worst),
        },
        seconds={"cycle": 200.0},
    )


BETTER, WORSE = compare(5, 65, 30), compare(30, 65, 5)


@pytest.mark.parametrize(
    ("trial", "right"),
    [
        (make_trial("settled", held_out=BETTER), True),
        (make_trial("settled", held_out=WORSE), False),
        (make_trial("settled"), False),
        (make_trial("refused", checks=(REFUSED,), fresh=WORSE), True),
        (make_trial("refused", checks=(REFUSED,), fresh=BETTER), False),
        (make_trial("refused", checks=(REFUSED,), fresh=BETTER, test=WORSE), True),
        (make_trial("refused", fresh=WORSE), False),
        (make_trial("rolled_back", fresh=WORSE), False),
        (replace(make_trial("failed"), sets={}), False),
        (replace(make_trial("refused"), sets={}), False),
    ],
)
def test_the_end_of_a_cycle_is_borne_out_by_its_gains_or_not(trial: LoopTrial, right: bool) -> None:
    assert is_borne_out(trial) is right


def test_the_delay_is_counted_to_the_window_that_drifted() -> None:
    trial = make_trial("settled")
    assert trial.delay == 200
    assert trial.alarm == trial.other_camera[1]
    assert list_drifted(trial.other_camera[1]) == "brightness 1.50, red 0.40"
    undetected = replace(trial, other_camera=trial.other_camera[:1])
    assert (undetected.delay, undetected.alarm) == (None, None)


@pytest.mark.parametrize(
    ("trial", "unmet"),
    [
        (make_trial("settled", held_out=BETTER), set()),
        (
            replace(make_trial("settled", held_out=BETTER), same_camera=[verdict(100, DARKER)]),
            {"circle_quiet"},
        ),
        (
            replace(make_trial("settled", held_out=BETTER), other_camera=[verdict(100, SAME)]),
            {"circle_drift"},
        ),
        (make_trial("settled", held_out=WORSE), {"circle_reason"}),
        (make_trial("settled", held_out=BETTER, test=WORSE), {"circle_test"}),
        # A refused version serves nobody.
        (make_trial("refused", checks=(REFUSED,), test=WORSE), set()),
    ],
)
def test_each_goal_can_be_missed(trial: LoopTrial, unmet: set[str], tmp_path: Path) -> None:
    record = Record("circle", out=tmp_path)
    write_rows(record, trial)
    judge_goals(record, trial)
    assert {goal.id for goal in record.goals if not goal.met} == unmet
    assert record.finish(draw_trial(trial)) == bool(unmet)


def test_a_cycle_without_a_version_is_recorded_too(tmp_path: Path) -> None:
    trial = replace(make_trial("failed"), sets={})
    record = Record("circle", out=tmp_path)
    write_rows(record, trial)
    judge_goals(record, trial)
    assert record.finish(draw_trial(trial)) == 1
    assert describe_outcome(trial) == "failed"


def test_a_missing_event_is_an_error() -> None:
    with pytest.raises(TidemillError, match=r"The end of it did not come within 0 s\."):
        live_loop.wait_for(lambda: None, "The end of it", seconds=0)


def index(place: Path, rows: Sequence[tuple[str, str, str]]) -> None:
    for file, _, _ in rows:
        (place / file).write_bytes(file.encode())
    lines = ["file,class,source_leaf_split", *(",".join(row) for row in rows)]
    (place / "index.csv").write_text("\n".join(lines) + "\n")


def test_close_ups_of_test_leaves_are_held_out(tmp_path: Path) -> None:
    rows = [("a.jpg", "rust", "test"), ("b.jpg", "miner", "val"), ("c.jpg", "rust", "val")]
    index(tmp_path, rows)
    crops = real.crops(tmp_path)
    held_out = {row.origin for row in crops.images if row.id in crops.held_out}
    assert held_out == {"a.jpg"}
    assert [row.id for row in crops.images] == sorted(row.id for row in crops.images)
    assert len(crops.images) == 3
