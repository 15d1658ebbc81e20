"""What every ledger must do with drained traffic and the drift verdicts on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta, timezone

import pytest

from tidemill.adapters.memory import FixedClock
from tidemill.domain.drift import DriftVerdict, FeatureDrift, Profile
from tidemill.domain.errors import Conflict
from tidemill.domain.events import DriftChecked, SnapshotTaken
from tidemill.domain.ledger import Ledger, UnitOfWork
from tidemill.domain.types import Answer, ModelVersion, Prediction, Run, Snapshot

Race = Callable[[Callable[[UnitOfWork, str], object]], list[str]]

NOW = FixedClock().now()
HOUR = timedelta(hours=1)
ANSWER = Answer("disease", "rust", 0.7, {"rust": 0.7, "healthy": 1 / 3}, "leaf 2")
PROFILE = Profile("v1", "live", NOW, 3, (1, 2, 0))
FEATURES = (
    FeatureDrift("brightness", 0.3, 0.2, 1e-6, True),
    FeatureDrift("contrast", 0.4, 0.1, 0.5, False),
)
VERDICT = DriftVerdict("w1", "v1", True, 3, 40, NOW, NOW, FEATURES, NOW, 0.2)
JUDGED = DriftChecked(actor="test", subject="w1", version="v1", drifted=True)


def predictions(first: int, last: int, server: str = "web") -> list[Prediction]:
    """What a server answered, from one sequence to another."""
    return [
        Prediction(
            f"{server}-{n}",
            server,
            n,
            "v1",
            NOW,
            "live",
            b"leaf",
            (ANSWER,),
            b"\1",
            f"x{n}",
            request_id=f"r{n}",
            traceparent=f"t{n}",
        )
        for n in range(first, last + 1)
    ]


@pytest.fixture
def served(ledger: Ledger) -> Ledger:
    """Two versions, and three answers of the first."""
    event = SnapshotTaken(actor="test", subject="s1", rows=1)
    with ledger.begin() as unit:
        unit.add(Snapshot("s1", "coffee", 1, {"train": 1}, {}, "stop", None, NOW), event)
        unit.add(Run("r1", "coffee", "s1", 0, {}, {}, {}, NOW), event)
        for id in ("v1", "v2"):
            unit.add(ModelVersion(id, id * 32, "r1", "s1", "coffee", None, NOW), event)
        unit.drain("web", predictions(1, 3), [PROFILE], since=0)
    return ledger


def test_nothing_was_drained_before_the_first(ledger: Ledger) -> None:
    with ledger.begin(write=False) as unit:
        assert unit.offset("web") == 0
        assert unit.prediction("web-1") is None
        assert unit.profiles("v1") == []
        assert unit.count_answers("v1") == 0
        assert unit.drift_verdicts("v1") == []


def test_drained_predictions_come_back_without_what_is_not_kept(served: Ledger) -> None:
    (drained,) = predictions(2, 2)
    with served.begin(write=False) as unit:
        assert unit.prediction("web-2") == replace(drained, payload=b"", bins=b"")
        assert unit.offset("web") == 3


def test_every_server_has_a_mark_of_its_own(served: Ledger) -> None:
    with served.begin() as unit:
        unit.drain("other", predictions(5, 9, "other"), [], since=0)
        assert (unit.offset("web"), unit.offset("other")) == (3, 9)
        unit.drain("web", [*predictions(4, 4), *predictions(8, 8)], [], since=3)
        assert (unit.offset("web"), unit.offset("other")) == (8, 9)


def test_counts_add_up_in_their_bucket(served: Ledger) -> None:
    later = replace(PROFILE, bucket=NOW + HOUR, n=1, counts=(0, 0, 1))
    more = replace(PROFILE, n=2, counts=(1, 0, 1))
    golden = replace(PROFILE, kind="golden", n=1, counts=(1, 0, 0))
    with served.begin() as unit:
        unit.drain("web", predictions(4, 9), [later, more, golden, more], since=3)
    with served.begin(write=False) as unit:
        assert unit.profiles("v1") == [replace(PROFILE, n=7, counts=(3, 2, 2)), later]
        assert unit.profiles("v1", kind="golden") == [golden]
        assert unit.profiles("v1", kind="shadow") == []
        assert unit.profiles("v2") == []
        assert unit.count_answers("v1") == 8


def test_the_oldest_bucket_comes_first(served: Ledger) -> None:
    late, early = (replace(PROFILE, bucket=NOW + n * HOUR) for n in (2, -2))
    with served.begin() as unit:
        unit.drain("web", predictions(4, 4), [late, early], since=3)
        assert unit.profiles("v1") == [early, PROFILE, late]


def test_profiles_are_asked_for_from_a_bucket_on(served: Ledger) -> None:
    late, early = (replace(PROFILE, bucket=NOW + n * HOUR) for n in (2, -2))
    golden = replace(PROFILE, kind="golden")
    with served.begin() as unit:
        unit.drain("web", predictions(4, 4), [late, early, golden], since=3)
    with served.begin(write=False) as unit:
        assert unit.profiles("v1", since=NOW - 2 * HOUR) == [early, PROFILE, late]
        assert unit.profiles("v1", since=NOW) == [PROFILE, late]
        assert unit.profiles("v1", since=NOW.astimezone(timezone(5 * HOUR))) == [PROFILE, late]
        assert unit.profiles("v1", since=NOW + timedelta(microseconds=1)) == [late]
        assert unit.profiles("v1", since=NOW + 3 * HOUR) == []
        assert unit.profiles("v1", kind="golden", since=NOW) == [golden]
        assert unit.profiles("v1", kind="golden", since=NOW + HOUR) == []


def test_a_moment_is_one_bucket_however_it_is_written(served: Ledger) -> None:
    elsewhere = replace(PROFILE, bucket=NOW.astimezone(timezone(5 * HOUR)))
    with served.begin() as unit:
        unit.drain("web", predictions(4, 4), [elsewhere], since=3)
        assert [row.n for row in unit.profiles("v1")] == [6]


REFUSED: dict[str, Callable[[UnitOfWork], None]] = {
    "drained already": lambda unit: unit.drain("web", predictions(1, 3), [PROFILE], since=0),
    "beyond the mark": lambda unit: unit.drain("web", predictions(9, 9), [PROFILE], since=8),
    "begins below since": lambda unit: unit.drain("web", predictions(3, 4), [PROFILE], since=3),
    "falls": lambda unit: unit.drain("web", predictions(4, 5)[::-1], [PROFILE], since=3),
    "twice": lambda unit: unit.drain("web", predictions(4, 4) * 2, [PROFILE], since=3),
    "another server": lambda unit: unit.drain(
        "web", [*predictions(4, 4), *predictions(5, 5, "other")], [PROFILE], since=3
    ),
    "other bins": lambda unit: unit.drain(
        "web", predictions(4, 4), [PROFILE, replace(PROFILE, counts=(1, 2))], since=3
    ),
    "an id that is taken": lambda unit: unit.drain(
        "web", [replace(*predictions(4, 4), id="web-1")], [PROFILE], since=3
    ),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_does_not_fit_is_not_drained(served: Ledger, why: str) -> None:
    with pytest.raises(Conflict), served.begin() as unit:
        REFUSED[why](unit)
    with served.begin(write=False) as unit:
        assert unit.offset("web") == 3
        assert unit.profiles("v1") == [PROFILE]
        assert unit.prediction("web-4") is None


def test_no_predictions_change_nothing(served: Ledger) -> None:
    with served.begin() as unit:
        unit.drain("web", [], [PROFILE], since=0)
    with served.begin(write=False) as unit:
        assert (unit.offset("web"), unit.count_answers("v1")) == (3, 3)


def test_a_unit_that_fails_has_drained_nothing(served: Ledger) -> None:
    with pytest.raises(RuntimeError), served.begin() as unit:
        unit.drain("web", predictions(4, 6), [PROFILE], since=3)
        assert unit.offset("web") == 6
        raise RuntimeError
    with served.begin(write=False) as unit:
        assert (unit.offset("web"), unit.count_answers("v1")) == (3, 3)
        assert unit.prediction("web-4") is None


@pytest.mark.usefixtures("served")
def test_of_two_who_drain_the_same_one_wins(race: Race, ledger: Ledger) -> None:
    drained = race(lambda unit, _: unit.drain("web", predictions(4, 90), [PROFILE], since=3))
    assert drained == ["Conflict", "won"]
    with ledger.begin(write=False) as unit:
        assert (unit.offset("web"), unit.count_answers("v1")) == (90, 6)


def test_a_drift_verdict_closes_what_it_judged(served: Ledger) -> None:
    golden = replace(PROFILE, kind="golden")
    other = replace(PROFILE, version="v2")
    with served.begin() as unit:
        unit.drain("web", predictions(4, 9), [golden, other], since=3)
        unit.record_drift_verdict(VERDICT, JUDGED)
    with served.begin(write=False) as unit:
        assert unit.profiles("v1") == []
        assert unit.profiles("v1", kind="golden") == [golden]
        assert unit.profiles("v2") == [other]
        assert unit.get(DriftVerdict, "w1") == VERDICT
        assert unit.latest(DriftVerdict) == [VERDICT]
        assert unit.events()[0].kind == "DriftChecked"
        assert unit.count_answers("v1") == 3


def test_what_is_older_than_a_drift_verdict_s_window_stays_open(served: Ledger) -> None:
    late, early = (replace(PROFILE, bucket=NOW + n * HOUR) for n in (2, -2))
    verdict = replace(VERDICT, n=6, until=NOW + 2 * HOUR)
    with served.begin() as unit:
        unit.drain("web", predictions(4, 9), [late, early], since=3)
        unit.record_drift_verdict(verdict, JUDGED)
    with served.begin(write=False) as unit:
        assert unit.profiles("v1") == [early]
        assert unit.profiles("v1", since=NOW) == []
        assert unit.get(DriftVerdict, "w1") == verdict
        assert unit.count_answers("v1") == 9


@pytest.mark.parametrize("n", [3, 9])
def test_a_drift_verdict_answers_for_its_window_alone(served: Ledger, n: int) -> None:
    late, early = (replace(PROFILE, bucket=NOW + n * HOUR) for n in (2, -2))
    with served.begin() as unit:
        unit.drain("web", predictions(4, 9), [late, early], since=3)
    with pytest.raises(Conflict, match="6 are open now from 2026-01-01"), served.begin() as unit:
        unit.record_drift_verdict(replace(VERDICT, n=n), JUDGED)
    with served.begin(write=False) as unit:
        assert unit.profiles("v1") == [early, PROFILE, late]


def test_the_next_window_begins_anew_and_everything_served_is_counted(served: Ledger) -> None:
    with served.begin() as unit:
        unit.record_drift_verdict(VERDICT, JUDGED)
        unit.drain("web", predictions(4, 6), [PROFILE], since=3)
        assert unit.profiles("v1") == [PROFILE]
        assert unit.count_answers("v1") == 6
        unit.record_drift_verdict(replace(VERDICT, id="w2"), JUDGED)
        assert unit.profiles("v1") == []
        assert unit.count_answers("v1") == 6


@pytest.mark.parametrize("n", [0, 2, 4])
def test_a_drift_verdict_on_another_number_of_answers_is_refused(served: Ledger, n: int) -> None:
    with pytest.raises(Conflict, match="3 are open"), served.begin() as unit:
        unit.record_drift_verdict(replace(VERDICT, n=n), JUDGED)
    with served.begin(write=False) as unit:
        assert unit.profiles("v1") == [PROFILE]
        assert unit.drift_verdicts("v1") == []


def test_a_window_is_judged_once(served: Ledger) -> None:
    with served.begin() as unit:
        unit.record_drift_verdict(VERDICT, JUDGED)
    with pytest.raises(Conflict), served.begin() as unit:
        unit.record_drift_verdict(replace(VERDICT, id="w2"), JUDGED)


def test_the_drift_verdicts_on_one_version_come_newest_first(served: Ledger) -> None:
    with served.begin() as unit:
        unit.record_drift_verdict(VERDICT, JUDGED)
        for id, version in (("w2", "v2"), ("w3", "v1")):
            unit.record_drift_verdict(replace(VERDICT, id=id, version=version, n=0), JUDGED)
        assert [row.id for row in unit.drift_verdicts("v1")] == ["w3", "w1"]
        assert [row.id for row in unit.drift_verdicts("v1", limit=1)] == ["w3"]


WRITES: dict[str, Callable[[UnitOfWork], None]] = {
    "drain": lambda unit: unit.drain("web", predictions(4, 4), [PROFILE], since=3),
    "drain nothing": lambda unit: unit.drain("web", [], [], since=3),
    "judge_drift": lambda unit: unit.record_drift_verdict(VERDICT, JUDGED),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_reading_unit_refuses_to_write(served: Ledger, name: str) -> None:
    with served.begin(write=False) as unit, pytest.raises(Conflict, match="for reading"):
        WRITES[name](unit)
    with served.begin(write=False) as unit:
        assert unit.offset("web") == 3
        assert unit.profiles("v1") == [PROFILE]
        assert unit.drift_verdicts("v1") == []
