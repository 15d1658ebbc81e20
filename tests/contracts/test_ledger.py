"""What every ledger must do with its records, its runs and its aliases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tidemill.adapters.memory import FixedClock
from tidemill.domain.errors import Conflict, GateRefused, NotFound
from tidemill.domain.events import (
    AliasMoved,
    Event,
    KeyRevoked,
    LeaseTaken,
    RunAbandoned,
    RunFailed,
    RunFinished,
    RunInterrupted,
    VersionRegistered,
)
from tidemill.domain.ledger import Ledger, UnitOfWork
from tidemill.domain.types import Alias, Check, ModelVersion, Run, Snapshot, Verdict

Race = Callable[[Callable[[UnitOfWork, str], object]], list[str]]
NOW = FixedClock().now()
SNAPSHOT = Snapshot(
    "s1",
    "coffee",
    3,
    {"train": 2, "test": 1},
    {"disease": ("healthy", "rust")},
    "stop",
    None,
    NOW,
)
RUN = Run("r1", "coffee", "s1", 0, {"train": {"epochs": 2}}, {"revision": "abc"}, {}, NOW)
VERSION = ModelVersion("v1", "b" * 64, "r1", "s1", "coffee", None, NOW)
PASSED = Verdict("d1", "v1", None, True, (Check("floor", True, "0.9 is enough", 0.9),), 1, NOW)


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    event = VersionRegistered(actor="test", subject="v1", bundle="b", run="r1")
    with ledger.begin() as unit:
        for record in (SNAPSHOT, RUN, VERSION, PASSED):
            unit.add(record, event)
    return ledger


def moved(version: str, before: str | None = None, verdict: str = "d1") -> AliasMoved:
    return AliasMoved(
        actor="test", subject="champion", version=version, before=before, verdict=verdict
    )


@pytest.mark.parametrize("record", [SNAPSHOT, RUN, VERSION, PASSED])
def test_a_record_comes_back_as_it_was(
    filled: Ledger, record: Snapshot | Run | ModelVersion | Verdict
) -> None:
    with filled.begin(write=False) as unit:
        assert unit.get(type(record), record.id) == record
        assert unit.latest(type(record)) == [record]


def test_an_unknown_record_is_not_found(ledger: Ledger) -> None:
    with ledger.begin(write=False) as unit, pytest.raises(NotFound):
        unit.get(Run, "nothing")


def test_a_taken_id_is_a_conflict_and_tells_nothing(filled: Ledger) -> None:
    with filled.begin(write=False) as unit:
        before = len(unit.events())
    with pytest.raises(Conflict), filled.begin() as unit:
        unit.add(SNAPSHOT, moved("v1"))
    with filled.begin(write=False) as unit:
        assert len(unit.events()) == before


def test_the_latest_come_first_and_versions_are_counted(filled: Ledger) -> None:
    with filled.begin() as unit:
        assert unit.next_version() == "v2"
        unit.add(replace(VERSION, id="v2"), moved("v2"))
        assert [row.id for row in unit.latest(ModelVersion)] == ["v2", "v1"]
        assert [row.id for row in unit.latest(ModelVersion, limit=1)] == ["v2"]


def test_the_verdicts_on_one_version_come_newest_first(filled: Ledger) -> None:
    with filled.begin() as unit:
        unit.add(replace(VERSION, id="v2"), moved("v2"))
        for id, version in (("d2", "v2"), ("d3", "v1"), ("d4", "v1")):
            unit.add(replace(PASSED, id=id, version=version), moved(version))
        assert [row.id for row in unit.verdicts("v1")] == ["d4", "d3", "d1"]
        assert unit.verdicts("v1", limit=2) == [
            replace(PASSED, id="d4"),
            replace(PASSED, id="d3"),
        ]
        assert unit.verdicts("v9") == []


def test_events_come_newest_first_up_to_a_bound_or_all(ledger: Ledger) -> None:
    with ledger.begin() as unit:
        for count in range(102):
            unit.record_event(moved(f"v{count}"))
        everything = unit.events(subject="champion", limit=None)
        assert [event.detail["version"] for event in everything][::101] == ["v101", "v0"]
        assert unit.events(subject="champion") == everything[:100]
        assert unit.events(subject="champion", limit=1) == everything[:1]
        assert unit.events(subject="another", limit=None) == []


def test_events_of_some_kinds_come_newest_first(ledger: Ledger) -> None:
    with ledger.begin() as unit:
        for count in range(5):
            unit.record_event(moved(f"v{count}"))
            unit.record_event(KeyRevoked(actor="ana", subject=f"k{count}", name="app"))
            unit.record_event(LeaseTaken(actor="e", subject="engine", token=count))
        everything = unit.events(limit=None)
        keys = unit.events(kinds=["KeyRevoked"])
        assert [event.subject for event in keys] == ["k4", "k3", "k2", "k1", "k0"]
        two = unit.events(kinds=["KeyRevoked", "AliasMoved", "KeyRevoked"], limit=None)
        assert two == [event for event in everything if event.kind != "LeaseTaken"]
        assert unit.events(kinds=["KeyRevoked", "AliasMoved"], limit=3) == two[:3]
        assert unit.events(kinds=["AliasMoved"], subject="k1") == []
        assert unit.events(kinds=["KeyRevoked"], subject="k1") == keys[3:4]
        assert unit.events(kinds=["CycleMoved"]) == []


def test_events_are_read_page_by_page(ledger: Ledger) -> None:
    with ledger.begin() as unit:
        for count in range(7):
            unit.record_event(moved(f"v{count}"))
            unit.record_event(LeaseTaken(actor="e", subject="engine", token=count))
        everything = unit.events(limit=None)
        pages = [unit.events(limit=5)]
        while pages[-1]:
            pages.append(unit.events(before=pages[-1][-1].id, limit=5))
        assert [len(page) for page in pages] == [5, 5, 4, 0]
        assert [event for page in pages for event in page] == everything
        middle = everything[6]
        older = unit.events(kinds=["LeaseTaken"], before=middle.id)
        assert older == [event for event in everything[7:] if event.kind == "LeaseTaken"]
        with pytest.raises(NotFound, match="no event 'nowhere'"):
            unit.events(before="nowhere")


def test_a_unit_that_fails_leaves_nothing(filled: Ledger) -> None:
    with pytest.raises(RuntimeError), filled.begin() as unit:
        unit.move_alias(Alias("champion", "v1", "d1", NOW), expected=None, event=moved("v1"))
        raise RuntimeError
    with filled.begin(write=False) as unit:
        assert unit.alias("champion") is None
        assert "AliasMoved" not in {event.kind for event in unit.events()}


def test_a_change_and_its_event_come_together(filled: Ledger) -> None:
    with filled.begin() as unit:
        unit.move_alias(Alias("champion", "v1", "d1", NOW), expected=None, event=moved("v1"))
    with filled.begin(write=False) as unit:
        assert unit.alias("champion") == Alias("champion", "v1", "d1", NOW)
        (event,) = unit.events(subject="champion")
        assert (event.kind, event.actor, event.at) == ("AliasMoved", "test", NOW)
        assert event.detail == {"version": "v1", "before": None, "verdict": "d1"}


def test_an_alias_moves_only_from_where_it_was_judged(filled: Ledger) -> None:
    to = Alias("champion", "v1", "d1", NOW)
    with filled.begin() as unit:
        unit.move_alias(to, expected=None, event=moved("v1"))
    with pytest.raises(Conflict), filled.begin() as unit:
        unit.move_alias(to, expected=None, event=moved("v1"))
    with filled.begin() as unit:
        unit.move_alias(to, expected="v1", event=moved("v1", "v1"))


REFUSING = {
    "failed": replace(PASSED, id="d2", passed=False),
    "of another version": replace(PASSED, id="d2", version="v2"),
}


@pytest.mark.parametrize("why", REFUSING)
def test_no_alias_moves_without_a_verdict_that_allows_it(filled: Ledger, why: str) -> None:
    with filled.begin() as unit:
        unit.add(replace(VERSION, id="v2"), moved("v2"))
        unit.add(REFUSING[why], moved("v1"))
    with pytest.raises(GateRefused), filled.begin() as unit:
        unit.move_alias(Alias("champion", "v1", "d2", NOW), expected=None, event=moved("v1"))
    with pytest.raises(NotFound), filled.begin() as unit:
        unit.move_alias(Alias("champion", "v1", "d9", NOW), expected=None, event=moved("v1"))


def test_a_person_may_override_a_verdict(filled: Ledger) -> None:
    with filled.begin() as unit:
        unit.add(
            replace(PASSED, id="d2", passed=False, override_reason="I looked at it"), moved("v1")
        )
        unit.move_alias(Alias("champion", "v1", "d2", NOW), expected=None, event=moved("v1"))


def test_a_run_closes_once(filled: Ledger) -> None:
    done = replace(RUN, status="finished", metrics={"test": {"accuracy": 0.9}}, weights="w")
    event = RunFinished(actor="test", subject="r1", weights="w")
    with filled.begin() as unit:
        unit.close_run(done, event)
        assert unit.get(Run, "r1") == done
    with pytest.raises(Conflict), filled.begin() as unit:
        unit.close_run(replace(RUN, status="failed"), event)


@pytest.mark.parametrize(
    "event",
    [
        RunFailed(actor="test", subject="r1", error="no memory"),
        RunInterrupted(actor="test", subject="r1", error="no memory"),
        RunAbandoned(actor="test", subject="r1", error="no memory"),
    ],
    ids=lambda event: event.kind,
)
def test_a_run_keeps_how_it_ended(filled: Ledger, event: Event) -> None:
    status = event.kind.removeprefix("Run").lower()
    ended = replace(RUN, status=status, error="no memory")  # type: ignore[arg-type]
    with filled.begin() as unit:
        unit.close_run(ended, event)
        assert unit.get(Run, "r1") == ended
        assert [row.kind for row in unit.events(subject="r1", limit=1)] == [event.kind]
        assert unit.count_test_uses("s1") == 1, "only a finished run read the test set"
    with pytest.raises(Conflict), filled.begin() as unit:
        unit.close_run(replace(RUN, status="finished"), event)


def test_a_run_is_not_closed_as_running(filled: Ledger) -> None:
    event = RunFinished(actor="test", subject="r1", weights="w")
    with pytest.raises(Conflict), filled.begin() as unit:
        unit.close_run(RUN, event)


def test_every_use_of_the_test_set_is_counted(filled: Ledger) -> None:
    finished = RunFinished(actor="test", subject="r1", weights="w")
    with filled.begin() as unit:
        assert unit.count_test_uses("s1") == 1
        unit.add(replace(PASSED, id="d2"), moved("v1"))
        assert unit.count_test_uses("s1") == 2
        unit.close_run(replace(RUN, status="finished"), finished)
        assert unit.count_test_uses("s1") == 3
        assert unit.count_test_uses("other") == 0


@pytest.mark.usefixtures("filled")
def test_of_two_racing_promotions_one_wins(race: Race) -> None:
    def act(unit: UnitOfWork, name: str) -> None:
        to = Alias("champion", "v1", "d1", NOW)
        unit.move_alias(to, expected=None, event=moved("v1"))

    assert race(act) == ["Conflict", "won"]


def test_a_version_is_found_by_its_run(filled: Ledger) -> None:
    with filled.begin(write=False) as unit:
        assert unit.find_version("r1") == VERSION
        assert unit.find_version("r9") is None


def test_the_events_of_a_unit_name_the_address_of_its_request(ledger: Ledger) -> None:
    with ledger.begin() as unit:
        unit.record_event(moved("v1"))
        unit.note_address("10.0.0.1")
        unit.record_event(moved("v2"))
    with ledger.begin() as unit:
        unit.record_event(moved("v3"))
    with ledger.begin(write=False) as unit:
        addresses = [event.detail.get("address") for event in unit.events()]
    assert addresses == [None, "10.0.0.1", None]


def test_an_event_may_stand_by_itself(ledger: Ledger) -> None:
    with ledger.begin() as unit:
        unit.record_event(moved("v1"))
        assert [event.kind for event in unit.events()] == ["AliasMoved"]


WRITES: dict[str, Callable[[UnitOfWork], object]] = {
    "add": lambda unit: unit.add(replace(SNAPSHOT, id="s2"), moved("v1")),
    "tell": lambda unit: unit.record_event(moved("v1")),
    "move_alias": lambda unit: unit.move_alias(
        Alias("champion", "v1", "d1", NOW), expected=None, event=moved("v1")
    ),
    "close_run": lambda unit: unit.close_run(
        replace(RUN, status="failed"), RunFinished(actor="test", subject="r1", weights="")
    ),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_reading_unit_refuses_to_write(filled: Ledger, name: str) -> None:
    with filled.begin(write=False) as unit:
        before = (unit.events(), unit.latest(Snapshot), unit.latest(Run))
        with pytest.raises(Conflict, match="for reading"):
            WRITES[name](unit)
    with filled.begin(write=False) as unit:
        assert (unit.events(), unit.latest(Snapshot), unit.latest(Run)) == before
        assert unit.alias("champion") is None
