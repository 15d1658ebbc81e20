"""Moving the champion, on every ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.ledgers import LEDGERS
from tidemill.adapters.memory import FixedClock
from tidemill.domain.errors import Conflict, GateRefused, NotFound
from tidemill.domain.events import VerdictRecorded
from tidemill.domain.ledger import Ledger, UnitOfWork
from tidemill.domain.types import AliasName, Check, ModelVersion, Run, Snapshot, Verdict
from tidemill.loop.rollout import promote, refusal, rollback

NOW = FixedClock().now()
PASSED = Verdict("d1", "v1", None, True, (Check("floor", True, "0.9 is enough", 0.9),), 1, NOW)
NAMES: tuple[AliasName, ...] = ("champion", "challenger", "previous")


@pytest.fixture(params=LEDGERS)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """Three versions, nothing judged."""
    implementation = LEDGERS[request.param](tmp_path)
    event = VerdictRecorded(actor="test", subject="set-up", version="v1", passed=True)
    names = {"disease": ("healthy", "rust")}
    with implementation.begin() as unit:
        unit.add(Snapshot("s1", "coffee", 2, {"test": 2}, names, "stop", None, NOW), event)
        unit.add(Run("r1", "coffee", "s1", 0, {}, {}, {}, NOW), event)
        for id in ("v1", "v2", "v3"):
            unit.add(ModelVersion(id, id * 32, "r1", "s1", "coffee", None, NOW), event)
    yield implementation
    implementation.close()


def judged(unit: UnitOfWork, version: str, champion: str | None, **fields: object) -> Verdict:
    """A verdict in the ledger, passing but for what is given."""
    count = len(unit.latest(Verdict))
    verdict = replace(PASSED, id=f"d{count + 1}", version=version, champion=champion)
    verdict = replace(verdict, **fields)  # type: ignore[arg-type]
    event = VerdictRecorded(
        actor="test", subject=verdict.id, version=version, passed=verdict.passed
    )
    unit.add(verdict, event)
    return verdict


def move(ledger: Ledger, version: str, champion: str | None, **fields: object) -> str | None:
    with ledger.begin() as unit:
        verdict = judged(unit, version, champion, **fields)
    with ledger.begin() as unit:
        return promote(unit, verdict, actor="ada", reason="better", at=NOW)


def back(ledger: Ledger) -> tuple[str, str]:
    with ledger.begin() as unit:
        done = rollback(unit, actor="ada", reason="complaints", at=NOW)
        return done.champion, done.previous


def aliases(ledger: Ledger) -> dict[str, str]:
    with ledger.begin(write=False) as unit:
        rows = {name: unit.alias(name) for name in NAMES}
    return {name: alias.version for name, alias in rows.items() if alias}


def moves(ledger: Ledger) -> list[tuple[str, str, str | None, str]]:
    """Alias, version, where it was before and on which verdict, in the order of events."""
    with ledger.begin(write=False) as unit:
        events = [event for event in unit.events() if event.kind == "AliasMoved"]
    assert all(event.actor == "ada" and event.reason for event in events)
    return [
        (row.subject, row.detail["version"], row.detail["before"], row.detail["verdict"])
        for row in reversed(events)
    ]


def test_the_first_promotion_makes_a_champion_and_no_previous_one(ledger: Ledger) -> None:
    assert move(ledger, "v1", None) is None
    assert aliases(ledger) == {"champion": "v1"}
    assert moves(ledger) == [("champion", "v1", None, "d1")]


def test_the_second_promotion_makes_the_first_champion_the_previous_one(ledger: Ledger) -> None:
    move(ledger, "v1", None)
    assert move(ledger, "v2", "v1") == "v1"
    assert aliases(ledger) == {"champion": "v2", "previous": "v1"}
    assert moves(ledger)[1:] == [("champion", "v2", "v1", "d2"), ("previous", "v1", None, "d1")]


def test_the_third_promotion_moves_both(ledger: Ledger) -> None:
    move(ledger, "v1", None)
    move(ledger, "v2", "v1")
    assert move(ledger, "v3", "v2") == "v2"
    assert aliases(ledger) == {"champion": "v3", "previous": "v2"}
    assert moves(ledger)[3:] == [("champion", "v3", "v2", "d3"), ("previous", "v2", "v1", "d2")]


def test_promoting_the_champion_again_is_a_conflict(ledger: Ledger) -> None:
    move(ledger, "v1", None)
    with pytest.raises(Conflict, match="v1 is the champion already"):
        move(ledger, "v1", "v1")
    assert len(moves(ledger)) == 1


def test_a_verdict_against_an_earlier_champion_is_a_conflict(ledger: Ledger) -> None:
    move(ledger, "v1", None)
    with ledger.begin() as unit:
        stale = judged(unit, "v3", "v1")
    move(ledger, "v2", "v1")
    before = moves(ledger)
    with pytest.raises(Conflict, match="no longer v1"), ledger.begin() as unit:
        promote(unit, stale, actor="ada", reason="late", at=NOW)
    assert aliases(ledger) == {"champion": "v2", "previous": "v1"}
    assert moves(ledger) == before


def test_a_verdict_from_before_the_first_champion_is_a_conflict(ledger: Ledger) -> None:
    with ledger.begin() as unit:
        stale = judged(unit, "v2", None)
    move(ledger, "v1", None)
    with pytest.raises(Conflict), ledger.begin() as unit:
        promote(unit, stale, actor="ada", reason="late", at=NOW)
    assert aliases(ledger) == {"champion": "v1"}


REFUSING = (
    Check("label_names", True, "all right"),
    Check("floor", False, "accuracy 0.300"),
    Check("fresh_gain", False, "accuracy moved by at least -0.1"),
)


def test_a_refusal_names_the_checks_that_failed_and_only_those(ledger: Ledger) -> None:
    move(ledger, "v1", None)
    with pytest.raises(GateRefused) as caught:
        move(ledger, "v2", "v1", passed=False, checks=REFUSING)
    assert caught.value.message.startswith("v2 was refused. ")
    assert "floor: accuracy 0.300" in caught.value.message
    assert "fresh_gain: accuracy moved" in caught.value.message
    assert "label_names" not in caught.value.message
    assert "tidemill models card v2" in caught.value.hint
    assert refusal(replace(PASSED, checks=REFUSING)).message.startswith("v1 was refused")
    assert aliases(ledger) == {"champion": "v1"}
    assert len(moves(ledger)) == 1


def test_a_person_may_override_a_refusal(ledger: Ledger) -> None:
    move(ledger, "v1", None)
    fields = {"passed": False, "checks": REFUSING, "override_reason": "I looked at every leaf"}
    assert move(ledger, "v2", "v1", **fields) == "v1"
    assert aliases(ledger)["champion"] == "v2"


def test_a_verdict_that_is_not_in_the_ledger_moves_nothing(ledger: Ledger) -> None:
    with pytest.raises(NotFound), ledger.begin() as unit:
        promote(unit, PASSED, actor="ada", reason="made up", at=NOW)
    assert aliases(ledger) == {}


def test_a_verdict_that_was_embellished_moves_nothing(ledger: Ledger) -> None:
    with ledger.begin() as unit:
        refused = judged(unit, "v1", None, passed=False, checks=REFUSING)
    with pytest.raises(GateRefused), ledger.begin() as unit:
        promote(unit, replace(refused, passed=True), actor="ada", reason="made up", at=NOW)
    assert aliases(ledger) == {}


def test_rolling_back_swaps_and_can_be_done_again(ledger: Ledger) -> None:
    move(ledger, "v1", None)
    move(ledger, "v2", "v1")
    assert back(ledger) == ("v1", "v2")
    assert aliases(ledger) == {"champion": "v1", "previous": "v2"}
    assert moves(ledger)[3:] == [("champion", "v1", "v2", "d1"), ("previous", "v2", "v1", "d2")]
    assert back(ledger) == ("v2", "v1")
    assert aliases(ledger) == {"champion": "v2", "previous": "v1"}
    assert len(moves(ledger)) == 7


def test_after_rolling_back_another_version_can_be_promoted(ledger: Ledger) -> None:
    move(ledger, "v1", None)
    move(ledger, "v2", "v1")
    back(ledger)
    with pytest.raises(Conflict):
        move(ledger, "v3", "v2")
    assert move(ledger, "v3", "v1") == "v1"
    assert aliases(ledger) == {"champion": "v3", "previous": "v1"}


@pytest.mark.parametrize("champions", [0, 1])
def test_without_a_previous_champion_there_is_nothing_to_roll_back_to(
    ledger: Ledger, champions: int
) -> None:
    if champions:
        move(ledger, "v1", None)
    before = aliases(ledger)
    with pytest.raises(NotFound, match="no previous champion") as caught:
        back(ledger)
    assert "tidemill models list" in caught.value.hint
    assert aliases(ledger) == before


def test_a_move_and_its_event_are_undone_together(ledger: Ledger) -> None:
    with ledger.begin() as unit:
        verdict = judged(unit, "v1", None)
    with pytest.raises(RuntimeError), ledger.begin() as unit:
        promote(unit, verdict, actor="ada", reason="better", at=NOW)
        assert unit.alias("champion") is not None
        assert unit.events(subject="champion")
        raise RuntimeError
    assert aliases(ledger) == {}
    assert moves(ledger) == []
