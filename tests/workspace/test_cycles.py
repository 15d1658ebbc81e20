"""What a person does with cycles: begins one, or ends one that waits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tidemill.domain.cycle import Cycle
from tidemill.domain.errors import Conflict, NotFound, UsageError
from tidemill.testing.in_process import InProcessLoop, OpenLoop
from tidemill.testing.tiny_recipe.pebbles import pebbles
from tidemill.workspace.workspace import Workspace

pytestmark = pytest.mark.xdist_group("pebbles")
WHY = "new pebbles from the north beach"


@pytest.fixture
def circle(begin: OpenLoop) -> InProcessLoop:
    return begin()


@pytest.fixture
def proposed(begin: OpenLoop) -> InProcessLoop:
    """A cycle whose v2 awaits approval."""
    circle = begin("trigger.autonomy=propose")
    circle.give_feedback(pebbles(300, 61, 1.0))
    circle.settle()
    assert circle.list_cycles()[0].state == "awaiting_approval"
    return circle


def test_a_person_begins_a_cycle_in_their_own_name(circle: InProcessLoop) -> None:
    cycle = circle.workspace.trigger_cycle(reason=f"  {WHY} ")
    assert (cycle.trigger, cycle.cause, cycle.champion) == ("person", WHY, "v1")
    assert (cycle.state, cycle.recipe, cycle.at) == ("triggered", "pebble", circle.clock.now())
    assert circle.list_cycles() == [cycle]
    with circle.workspace.ledger.begin(write=False) as unit:
        [event] = unit.events(subject=cycle.id)
    assert (event.kind, event.actor, event.reason) == ("CycleOpened", "ada", WHY)


def test_a_person_passes_over_what_holds_an_engine_back(begin: OpenLoop) -> None:
    circle = begin("trigger.budget=0", "trigger.minimum_new=500", "trigger.autonomy=observe")
    circle.give_feedback(pebbles(300, 61, 1.0))
    circle.settle()
    assert circle.list_cycles() == []
    circle.workspace.trigger_cycle(reason=WHY)
    circle.settle()
    [cycle] = circle.list_cycles()
    assert (cycle.state, cycle.version) == ("awaiting_approval", "v2")


def test_a_cycle_with_nothing_to_learn_from_is_refused(circle: InProcessLoop) -> None:
    circle.workspace.trigger_cycle(reason=WHY)
    circle.settle()
    [cycle] = circle.list_cycles()
    assert cycle.state == "refused"
    assert cycle.reason == "There is no feedback that a training could learn from."


def test_one_cycle_at_a_time(circle: InProcessLoop) -> None:
    cycle = circle.workspace.trigger_cycle(reason=WHY)
    with pytest.raises(Conflict, match="open"):
        circle.workspace.trigger_cycle(reason="another one")
    assert circle.list_cycles() == [cycle]


def test_without_a_champion_no_cycle_begins(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home").create()
    with pytest.raises(NotFound, match="no champion"):
        workspace.trigger_cycle(reason=WHY)
    workspace.close()


@pytest.mark.parametrize("act", [Workspace.trigger_cycle, Workspace.refuse_cycle])
@pytest.mark.parametrize("reason", ["", "  \n"])
def test_a_person_says_why(circle: InProcessLoop, act: Callable[..., Cycle], reason: str) -> None:
    with pytest.raises(UsageError, match="A reason is needed") as caught:
        act(circle.workspace, reason=reason)
    assert "--reason" in caught.value.hint
    assert circle.list_cycles() == []


def test_a_proposal_is_refused_and_the_champion_stays(proposed: InProcessLoop) -> None:
    workspace = proposed.workspace
    cycle = workspace.refuse_cycle(reason=WHY)
    assert proposed.list_cycles() == [cycle]
    assert (cycle.state, cycle.reason, cycle.changed_at) == ("refused", WHY, proposed.clock.now())
    assert workspace.champion().id == "v1"
    with workspace.ledger.begin(write=False) as unit:
        event = unit.events(subject=cycle.id, limit=1)[0]
        assert len(unit.feedback(status="accepted", limit=None)) == 300
    assert (event.kind, event.actor, event.reason) == ("CycleMoved", "ada", WHY)
    proposed.settle()
    assert proposed.list_cycles() == [cycle]
    refused_twice(workspace)


def refused_twice(workspace: Workspace) -> None:
    with pytest.raises(Conflict, match="No cycle is open"):
        workspace.refuse_cycle(reason=WHY)


def test_a_proposal_that_a_person_promotes_goes_on(proposed: InProcessLoop) -> None:
    proposed.workspace.promote("v2")
    proposed.settle()
    [cycle] = proposed.list_cycles()
    assert (cycle.state, cycle.version) == ("watched", "v2")
    refused_twice(proposed.workspace)


def test_without_an_open_cycle_there_is_nothing_to_refuse(circle: InProcessLoop) -> None:
    refused_twice(circle.workspace)
    assert circle.list_cycles() == []


def test_a_cycle_is_refused_before_there_is_anything_to_approve(circle: InProcessLoop) -> None:
    cycle = circle.workspace.trigger_cycle(reason=WHY)
    assert circle.workspace.refuse_cycle(reason="not now").id == cycle.id
    circle.settle()
    [refused] = circle.list_cycles()
    assert (refused.state, refused.reason, refused.runs) == ("refused", "not now", ())
