"""Any process is killed at any moment: the cycle ends once, and nothing is lost or doubled."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import get_args

import pytest

from tests.chaos import processes
from tests.chaos.conftest import Tally, Undisturbed
from tests.chaos.invariants import check
from tests.chaos.loop_processes import EDGES, LoopProcesses, Victim
from tidemill.domain.cycle import CycleState
from tidemill.loop.trigger import TriggerPolicy

pytestmark = [
    pytest.mark.xdist_group("chaos"),
    pytest.mark.skipif(not processes.PROC.is_dir(), reason="processes are looked for in /proc"),
]
SEED = 20_24
MOMENTS = 100
SHORT = 3
"""So many random moments are part of the slow tests; the others are left to the full set."""
BRIEF: tuple[CycleState, ...] = ("shadowing", "canary")
"""Edges that are left to the full set."""
ORDINARY: CycleState = "training"
"""The edge that is part of the ordinary tests. The others are of the slow ones."""
ATTEMPTS = 5
"""How often an edge is tried to be met: the next one may follow within milliseconds."""


def moments() -> list[tuple[Victim, float]]:
    """Victims in turn, each at a share of the time that an undisturbed cycle takes."""
    draw = random.Random(SEED)
    victims: tuple[Victim, ...] = get_args(Victim)
    return [(victims[at % len(victims)], draw.random()) for at in range(MOMENTS)]


def edge_marks(state: CycleState) -> list[pytest.MarkDecorator]:
    if state == ORDINARY:
        return []
    return [pytest.mark.chaos if state in BRIEF else pytest.mark.slow]


@pytest.mark.parametrize(
    "state",
    [pytest.param(state, marks=edge_marks(state)) for state in EDGES],
)
def test_an_engine_that_is_killed_at_an_edge_goes_on_from_there(
    home: Path, state: CycleState, undisturbed: Undisturbed, tally: Tally
) -> None:
    for attempt in range(ATTEMPTS):
        copy = home.with_name(f"home-{attempt}")
        shutil.copytree(home, copy)
        with tally.trial(f"edge {state}"), LoopProcesses(copy) as loop:
            loop.wait_until(lambda: loop.has_reached(state), f"the state {state}")
            state_at_kill = loop.kill("engine")
            tally.kills["engine"][state_at_kill] += 1
            opened = loop.records.cycle()
            loop.finish()
            assert check(copy, loop.client, loop.labelled, opened) == undisturbed.outcome
        if state_at_kill == state:
            return
    pytest.fail(f"The state {state} was over each time before the engine was killed.")


@pytest.mark.parametrize(
    ("victim", "share"),
    [
        pytest.param(
            *moment,
            id=f"{at:03d}-{moment[0]}",
            marks=[pytest.mark.chaos if at >= SHORT else pytest.mark.slow],
        )
        for at, moment in enumerate(moments())
    ],
)
def test_whoever_is_killed_at_a_random_moment(
    home: Path, victim: Victim, share: float, undisturbed: Undisturbed, tally: Tally
) -> None:
    with tally.trial(f"{victim} at {share:.3f}"), LoopProcesses(home) as loop:
        if victim == "trainer":
            loop.wait_until(lambda: loop.has_reached("training"), "a training")
            moment = loop.seconds + share * undisturbed.training
        else:
            moment = share * undisturbed.seconds
        loop.wait_until(lambda: loop.seconds >= moment, "the moment")
        state_at_kill = loop.kill(victim)
        tally.kills[victim][state_at_kill or "none"] += 1
        loop.wait_until(lambda: loop.records.cycle() != "", "a cycle")
        opened = loop.records.cycle()
        loop.finish()
        outcome = check(home, loop.client, loop.labelled, opened)
    assert outcome == undisturbed.outcome


@pytest.mark.chaos
def test_an_engine_that_is_killed_again_and_again_uses_up_no_attempt(
    home: Path, undisturbed: Undisturbed, tally: Tally
) -> None:
    with tally.trial("every training cut off"), LoopProcesses(home) as loop:
        for _ in range(TriggerPolicy().attempts):
            loop.wait_until(loop.is_training, "a training that is under way")
            tally.kills["engine"][loop.kill("engine")] += 1
        opened = loop.records.cycle()
        loop.finish()
        outcome = check(home, loop.client, loop.labelled, opened)
    assert outcome == undisturbed.outcome
