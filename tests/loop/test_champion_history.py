"""Who was champion when, by the moves that a ledger recorded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tidemill.adapters.memory import FixedClock
from tidemill.adapters.memory_ledger import MemoryLedger
from tidemill.domain.errors import NotFound
from tidemill.domain.events import RecordedEvent, VerdictRecorded
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import ModelVersion, Run, Snapshot, Verdict
from tidemill.loop.champion_history import ChampionAt, champion_at
from tidemill.loop.rollout import promote, rollback

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def promotion(version: str, champion: str | None) -> Callable[[UnitOfWork, datetime], object]:
    def act(unit: UnitOfWork, at: datetime) -> object:
        verdict = Verdict(f"on {version}", version, champion, True, (), 1, at)
        event = VerdictRecorded(actor="ada", subject=verdict.id, version=version, passed=True)
        unit.add(verdict, event)
        return promote(unit, verdict, actor="ada", reason=f"{version} is better", at=at)

    return act


def withdrawal(unit: UnitOfWork, at: datetime) -> object:
    return rollback(unit, actor="eve", reason="complaints", at=at)


MOVES = (promotion("v1", None), promotion("v2", "v1"), withdrawal, promotion("v3", "v1"))
CHAMPIONS = (("v1", None), ("v2", "v1"), ("v1", "v2"), ("v3", "v1"))
"""Champion and previous after each of the moves."""


@pytest.fixture
def history() -> list[RecordedEvent]:
    """The alias's events, one move in each hour; each leaves the aliases as CHAMPIONS says."""
    clock = FixedClock(START)
    ledger = MemoryLedger(clock)
    event = VerdictRecorded(actor="ada", subject="set-up", version="v1", passed=True)
    with ledger.begin() as unit:
        classes = {"disease": ("healthy", "rust")}
        unit.add(Snapshot("s1", "coffee", 2, {"test": 2}, classes, "stop", None, START), event)
        unit.add(Run("r1", "coffee", "s1", 0, {}, {}, {}, START), event)
        for id in ("v1", "v2", "v3"):
            unit.add(ModelVersion(id, id * 32, "r1", "s1", "coffee", None, START), event)
    for act, names in zip(MOVES, CHAMPIONS, strict=True):
        clock.advance(HOUR)
        with ledger.begin() as unit:
            act(unit, clock.now())
            aliases = unit.alias("champion"), unit.alias("previous")
            assert tuple(alias.version if alias else None for alias in aliases) == names
    with ledger.begin(write=False) as unit:
        return unit.events(subject="champion", limit=None)


@pytest.mark.parametrize("hour", range(1, 5))
def test_each_hour_has_the_aliases_that_it_had(history: list[RecordedEvent], hour: int) -> None:
    for moment in (START + hour * HOUR, START + (hour + 1) * HOUR - timedelta(microseconds=1)):
        then = champion_at(history, moment)
        assert (then.champion, then.previous) == CHAMPIONS[hour - 1]
        assert (then.at, then.since) == (moment, START + hour * HOUR)


def test_the_move_is_told_with_who_made_it_and_why(history: list[RecordedEvent]) -> None:
    at = START + 3 * HOUR
    assert champion_at(history, at) == ChampionAt(at, "v1", "v2", at, "eve", "complaints", "on v1")


def test_the_last_champion_is_that_of_every_later_time(history: list[RecordedEvent]) -> None:
    assert champion_at(history, START + 1_000 * HOUR).champion == "v3"


def test_before_the_first_champion_there_is_none(history: list[RecordedEvent]) -> None:
    with pytest.raises(NotFound, match="no champion at 2026-01-01T00:59:59") as refusal:
        champion_at(history, START + HOUR - timedelta(seconds=1))
    assert refusal.value.hint == ("The first one is v1, champion since 2026-01-01T01:00:00+00:00.")


def test_without_any_champion_the_hint_says_how_to_get_one() -> None:
    with pytest.raises(NotFound) as refusal:
        champion_at([], START)
    assert "models promote" in refusal.value.hint
