"""What the benchmark of the full circle makes of what it saw. What it saw is written down here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from bench import mill, real
from bench.circle import borne_out, drifted, image, judge, outcome, tell
from bench.record import Record
from bench.turning import Compared, Turn

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
    found = any(row.drifted for row in features)
    return DriftVerdict("d", "v1", found, n, 250, NOW, NOW, features, NOW)


def compared(lost: int, same: int, gained: int) -> Compared:
    champion = [True] * lost + [True] * same + [False] * gained
    challenger = [False] * lost + [True] * same + [True] * gained
    return Compared(np.array(champion), np.array(challenger))


def turned(state: CycleState, *, checks: tuple[Check, ...] = (), **sets: Compared) -> Turn:
    worst = compared(0, 100, 0)
    return Turn(
        own=[verdict(100, SAME)],
        other=[verdict(100, SAME), verdict(100, SAME, REDDER, DARKER)],
        close_ups=280,
        taught=146,
        cycle=Cycle("c", "coffee", "drift", "it drifted", "v1", NOW, state, "so it is"),
        promoted=state == "settled",
        checks=checks,
        policy=GatePolicy(margin=0.06),
        sets={
            "held back": sets.get("held", worst),
            "test": sets.get("test", worst),
            "fresh": sets.get("fresh", worst),
        },
        seconds={"cycle": 200.0},
    )


BETTER, WORSE = compared(5, 65, 30), compared(30, 65, 5)


@pytest.mark.parametrize(
    ("found", "right"),
    [
        (turned("settled", held=BETTER), True),
        (turned("settled", held=WORSE), False),
        (turned("settled"), False),
        (turned("refused", checks=(REFUSED,), fresh=WORSE), True),
        (turned("refused", checks=(REFUSED,), fresh=BETTER), False),
        (turned("refused", checks=(REFUSED,), fresh=BETTER, test=WORSE), True),
        (turned("refused", fresh=WORSE), False),
        (turned("rolled_back", fresh=WORSE), False),
        (replace(turned("failed"), sets={}), False),
        (replace(turned("refused"), sets={}), False),
    ],
)
def test_the_end_of_a_cycle_is_borne_out_by_figures_or_not(found: Turn, right: bool) -> None:
    assert borne_out(found) is right


def test_the_delay_is_counted_to_the_window_that_drifted() -> None:
    found = turned("settled")
    assert found.delay == 200
    assert found.alarm == found.other[1]
    assert drifted(found.other[1]) == "brightness 1.50, red 0.40"
    unnoticed = replace(found, other=found.other[:1])
    assert (unnoticed.delay, unnoticed.alarm) == (None, None)


@pytest.mark.parametrize(
    ("found", "unmet"),
    [
        (turned("settled", held=BETTER), set()),
        (replace(turned("settled", held=BETTER), own=[verdict(100, DARKER)]), {"circle_quiet"}),
        (replace(turned("settled", held=BETTER), other=[verdict(100, SAME)]), {"circle_drift"}),
        (turned("settled", held=WORSE), {"circle_reason"}),
        (turned("settled", held=BETTER, test=WORSE), {"circle_test"}),
        # Whoever was refused costs nobody anything.
        (turned("refused", checks=(REFUSED,), test=WORSE), set()),
    ],
)
def test_each_goal_can_be_missed(found: Turn, unmet: set[str], tmp_path: Path) -> None:
    record = Record("circle", out=tmp_path)
    tell(record, found)
    judge(record, found)
    assert {goal.id for goal in record.goals if not goal.met} == unmet
    assert record.finish(image(found)) == bool(unmet)


def test_a_cycle_without_a_version_is_told_as_well(tmp_path: Path) -> None:
    found = replace(turned("failed"), sets={})
    record = Record("circle", out=tmp_path)
    tell(record, found)
    judge(record, found)
    assert record.finish(image(found)) == 1
    assert outcome(found) == "failed"


def test_what_does_not_come_is_said() -> None:
    with pytest.raises(TidemillError, match=r"The end of it did not come within 0 s\."):
        mill.until(lambda: None, "The end of it", seconds=0)


def index(place: Path, rows: Sequence[tuple[str, str, str]]) -> None:
    for file, _, _ in rows:
        (place / file).write_bytes(file.encode())
    lines = ["file,class,source_leaf_split", *(",".join(row) for row in rows)]
    (place / "index.csv").write_text("\n".join(lines) + "\n")


def test_close_ups_of_test_leaves_are_held_back(tmp_path: Path) -> None:
    rows = [("a.jpg", "rust", "test"), ("b.jpg", "miner", "val"), ("c.jpg", "rust", "val")]
    index(tmp_path, rows)
    found = real.crops(tmp_path)
    held = {row.origin for row in found.images if row.id in found.held}
    assert held == {"a.jpg"}
    assert [row.id for row in found.images] == sorted(row.id for row in found.images)
    assert len(found.images) == 3
