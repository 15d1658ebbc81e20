"""Whoever is killed, and whenever: the same cycle ends, once, and nothing is lost or doubled."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import get_args

import pytest

from tests.chaos import processes
from tests.chaos.conftest import Tally, Undisturbed
from tests.chaos.invariants import check
from tests.chaos.mill import EDGES, Cycles, Victim
from tidemill.domain.cycle import CycleState
from tidemill.loop.trigger import TriggerPolicy

pytestmark = [
    pytest.mark.xdist_group("chaos"),
    pytest.mark.skipif(not processes.PROC.is_dir(), reason="processes are looked for in /proc"),
]
SEED = 20_24
MOMENTS = 100
SHORT = 3
"""So many random moments are part of the ordinary tests."""
BRIEF: tuple[CycleState, ...] = ("shadowing", "canary")
"""Edges that are left to the full set."""
ATTEMPTS = 5
"""How often an edge is tried to be met: the next one may follow within milliseconds."""


def moments() -> list[tuple[Victim, float]]:
    """Victims in turn, each at a share of the time that an undisturbed cycle takes."""
    draw = random.Random(SEED)
    victims: tuple[Victim, ...] = get_args(Victim)
    return [(victims[at % len(victims)], draw.random()) for at in range(MOMENTS)]


@pytest.mark.parametrize(
    "state",
    [pytest.param(s, marks=[pytest.mark.chaos] if s in BRIEF else []) for s in EDGES],
)
def test_an_engine_that_is_killed_at_an_edge_goes_on_from_there(
    home: Path, state: CycleState, undisturbed: Undisturbed, tally: Tally
) -> None:
    for attempt in range(ATTEMPTS):
        copy = home.with_name(f"home-{attempt}")
        shutil.copytree(home, copy)
        with tally.trial(f"edge {state}"), Cycles(copy) as mill:
            mill.until(lambda: mill.reached(state), f"the state {state}")
            found = mill.kill("engine")
            tally.kills["engine"][found] += 1
            opened = mill.records.cycle()
            mill.finish()
            assert check(copy, mill.client, mill.taught, opened) == undisturbed.outcome
        if found == state:
            return
    pytest.fail(f"The state {state} was over each time before the engine was killed.")


@pytest.mark.parametrize(
    ("victim", "share"),
    [
        pytest.param(
            *moment, id=f"{at:03d}-{moment[0]}", marks=[pytest.mark.chaos] if at >= SHORT else []
        )
        for at, moment in enumerate(moments())
    ],
)
def test_whoever_is_killed_at_a_random_moment(
    home: Path, victim: Victim, share: float, undisturbed: Undisturbed, tally: Tally
) -> None:
    with tally.trial(f"{victim} at {share:.3f}"), Cycles(home) as mill:
        if victim == "trainer":
            mill.until(lambda: mill.reached("training"), "a training")
            moment = mill.seconds + share * undisturbed.training
        else:
            moment = share * undisturbed.seconds
        mill.until(lambda: mill.seconds >= moment, "the moment")
        found = mill.kill(victim)
        tally.kills[victim][found or "none"] += 1
        mill.until(lambda: mill.records.cycle() != "", "a cycle")
        opened = mill.records.cycle()
        mill.finish()
        outcome = check(home, mill.client, mill.taught, opened)
    assert outcome == undisturbed.outcome


@pytest.mark.chaos
def test_an_engine_that_is_killed_again_and_again_uses_up_no_attempt(
    home: Path, undisturbed: Undisturbed, tally: Tally
) -> None:
    with tally.trial("every training cut off"), Cycles(home) as mill:
        for _ in range(TriggerPolicy().attempts):
            mill.until(mill.trains, "a training that is under way")
            tally.kills["engine"][mill.kill("engine")] += 1
        opened = mill.records.cycle()
        mill.finish()
        outcome = check(home, mill.client, mill.taught, opened)
    assert outcome == undisturbed.outcome
