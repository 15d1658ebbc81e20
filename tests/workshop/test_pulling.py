"""Feedback from another system's database: each row once, whatever comes between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.circle import Begin, Circle, pebbles
from tests.workshop import user_data
from tidemill.adapters.user_rows import UserRows
from tidemill.domain.bookmark import Bookmark
from tidemill.domain.errors import Conflict, DataError, Unavailable, UsageError
from tidemill.domain.events import RowsPulled
from tidemill.domain.feedback import Feedback, FeedbackStatus
from tidemill.domain.ledger import UnitOfWork
from tidemill.loop import feedback
from tidemill.workshop.pulling import Pulled, label_of, pull, target_of

pytestmark = pytest.mark.xdist_group("pebbles")
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
PAGE = 8
STONES = pebbles(2 * PAGE + 5, 71, 0.0)
NAMES = ("no", "yes")


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def circle(begin: Begin) -> Circle:
    return begin()


@pytest.fixture
def rows(circle: Circle, tmp_path: Path) -> UserRows:
    return user_data.created(tmp_path)


def take(circle: Circle, rows: UserRows) -> Pulled:
    return pull(circle.workshop, rows, circle.workshop.ledger.begin, actor="eve", size=PAGE)


def given(circle: Circle, status: FeedbackStatus | None = None) -> list[Feedback]:
    with circle.workshop.ledger.begin(write=False) as unit:
        return unit.feedback(status=status, limit=None)


def mark(circle: Circle, rows: UserRows) -> Bookmark:
    with circle.workshop.ledger.begin(write=False) as unit:
        return unit.bookmark(rows.bookmark)


@pytest.mark.parametrize(
    ("said", "label"),
    [
        ("no", "no"),
        ("yes", "yes"),
        (False, "no"),
        (True, "yes"),
        (0, "no"),
        (1, "yes"),
        ("0", "no"),
        ("False", "no"),
        (" Yes ", "yes"),
        ("TRUE", "yes"),
    ],
)
def test_the_words_of_databases_are_told_apart(said: object, label: str) -> None:
    assert label_of(said, NAMES) == label
    assert label_of(said, NAMES[::-1]) == label, "the order of the names decides nothing"


@pytest.mark.parametrize("said", [None, "", "maybe", 2, -1, 0.5, 1.5, "nope", b"yes", "y", [1]])
def test_what_is_no_label_is_none(said: object) -> None:
    assert label_of(said, NAMES) is None


def test_only_questions_are_answered_by_truth_values() -> None:
    assert label_of("rust", ("rust", "healthy")) == "rust"
    for said in (True, 1, "1", "Rust", "yes"):
        assert label_of(said, ("rust", "healthy")) is None


def test_rows_mean_the_only_target() -> None:
    assert target_of({"answer": NAMES}) == "answer"
    with pytest.raises(UsageError, match="has 2: plant, disease"):
        target_of({"plant": NAMES, "disease": NAMES})


def test_rows_become_feedback_of_the_table(circle: Circle, rows: UserRows, tmp_path: Path) -> None:
    at = circle.clock.now() - HOUR
    user_data.write(tmp_path, user_data.said(STONES[:3], at, apart=SECOND))
    assert take(circle, rows) == Pulled(3, 3)
    found = given(circle)
    assert [(row.example, row.label) for row in found] == [
        (stone.id, *stone.labels.values()) for stone in STONES[:3]
    ]
    assert [row.at for row in found] == [at + n * SECOND for n in range(3)]
    assert {(row.actor, row.status, row.prediction) for row in found} == {
        ("user_data", "pending", "")
    }
    assert [circle.workshop.blobs.get(row.example) for row in found] == [
        stone.payload for stone in STONES[:3]
    ]
    with circle.workshop.ledger.begin(write=False) as unit:
        [event] = unit.events(subject=rows.bookmark)
    assert (event.actor, event.kind) == ("eve", "RowsPulled")
    assert event.detail == {"rows": 3, "new": 3}


def test_pulling_again_does_nothing_new(circle: Circle, rows: UserRows, tmp_path: Path) -> None:
    user_data.write(tmp_path, user_data.said(STONES, circle.clock.now() - HOUR, apart=SECOND))
    assert take(circle, rows) == Pulled(len(STONES), len(STONES))
    assert mark(circle, rows).reached == circle.clock.now()
    assert take(circle, rows) == Pulled(1, 0), "the last row's time is read again"
    assert len(given(circle)) == len(STONES)
    user_data.write(tmp_path, user_data.said(pebbles(5, 72, 0.0), circle.clock.now() - SECOND))
    assert take(circle, rows) == Pulled(6, 5)


def test_a_bookmark_that_is_lost_doubles_nothing(
    circle: Circle, rows: UserRows, tmp_path: Path
) -> None:
    at = circle.clock.now() - HOUR
    stone, other = STONES[0].payload.decode(), next(iter(STONES[1].labels.values()))
    label = next(iter(STONES[0].labels.values()))
    minds = [label, label, other, label, other, other]
    lines = [(stone, mind, at + n // 2 * SECOND) for n, mind in enumerate(minds)]
    user_data.write(tmp_path, lines)
    take(circle, rows)
    before = given(circle)
    with circle.workshop.ledger.begin() as unit:
        lost = Bookmark(rows.bookmark)
        event = RowsPulled(actor="ada", subject=rows.bookmark, rows=0, new=0)
        unit.move_bookmark(lost, expected=unit.bookmark(rows.bookmark), event=event)
    assert take(circle, rows) == Pulled(len(minds), 0)
    assert given(circle) == before
    assert [row.label for row in before if row.status == "pending"] == [other]


def test_rows_of_the_same_moment_are_one_opinion(
    circle: Circle, rows: UserRows, tmp_path: Path
) -> None:
    at = circle.clock.now() - HOUR
    user_data.write(tmp_path, user_data.said([STONES[0]] * (PAGE + 3), at))
    assert take(circle, rows).new == 1
    assert len(given(circle)) == 1


def test_a_later_row_is_a_change_of_mind(circle: Circle, rows: UserRows, tmp_path: Path) -> None:
    now = circle.clock.now()
    labels = sorted({next(iter(stone.labels.values())) for stone in STONES})
    prompt = STONES[0].payload.decode()
    user_data.write(tmp_path, [(prompt, labels[0], now - HOUR)])
    take(circle, rows)
    user_data.write(tmp_path, [(prompt, labels[1], now - HOUR / 2)])
    assert take(circle, rows).new == 1
    assert [(row.label, row.status) for row in given(circle)] == [
        (labels[0], "superseded"),
        (labels[1], "pending"),
    ]


def test_what_a_person_rejected_stays_rejected_when_its_row_is_read_again(
    circle: Circle, rows: UserRows, tmp_path: Path
) -> None:
    now = circle.clock.now()
    user_data.write(tmp_path, user_data.said(STONES[:1], now))
    take(circle, rows)
    with circle.workshop.ledger.begin() as unit:
        feedback.reject(unit, given(circle)[0].id, actor="ada", reason="no", at=now)
    assert take(circle, rows) == Pulled(1, 0)
    assert [row.status for row in given(circle)] == ["rejected"]


def test_a_row_that_is_committed_late_is_not_lost(
    circle: Circle, rows: UserRows, tmp_path: Path
) -> None:
    now = circle.clock.now()
    user_data.write(tmp_path, user_data.said(STONES[:2], now - 30 * SECOND, apart=20 * SECOND))
    assert take(circle, rows) == Pulled(2, 2)
    assert mark(circle, rows).place == ""
    user_data.write(tmp_path, user_data.said(STONES[2:3], now - 40 * SECOND))
    assert take(circle, rows) == Pulled(3, 1)
    circle.clock.advance(HOUR)
    assert take(circle, rows) == Pulled(3, 0)
    assert f"{now - 10 * SECOND:%H:%M:%S}" in mark(circle, rows).place


def test_a_pull_that_is_cut_off_loses_and_doubles_nothing(
    circle: Circle, rows: UserRows, tmp_path: Path
) -> None:
    user_data.write(tmp_path, user_data.said(STONES, circle.clock.now() - HOUR, apart=SECOND))
    ledger, opened = circle.workshop.ledger, []

    @contextmanager
    def mortal() -> Iterator[UnitOfWork]:
        with ledger.begin() as unit:
            yield unit
            opened.append(unit)
            if len(opened) == 2:
                raise Killed

    with pytest.raises(Killed):
        pull(circle.workshop, rows, mortal, actor="eve", size=PAGE)
    assert len(given(circle)) == PAGE, "the second page went with its bookmark"
    assert mark(circle, rows).reached is None
    assert take(circle, rows) == Pulled(len(STONES) - PAGE + 1, len(STONES) - PAGE)
    assert len({row.example for row in given(circle)}) == len(given(circle)) == len(STONES)


@pytest.mark.parametrize(
    ("at", "prompt", "label", "says"),
    [
        (1, None, "marble", "has the label 'marble', which is none"),
        (1, None, None, "has the label None"),
        (1, None, 1, "has the label 1"),
        (1, "no pebble", "flint", "cannot be read: This is no pebble"),
        (PAGE + 1, None, "marble", "has the label 'marble'"),
    ],
)
def test_a_row_that_cannot_be_taken_is_named_and_its_page_left(
    circle: Circle,
    rows: UserRows,
    tmp_path: Path,
    at: int,
    prompt: str | None,
    label: object,
    says: str,
) -> None:
    begun = circle.clock.now() - HOUR
    lines = user_data.said(STONES, begun, apart=SECOND)
    lines[at] = (prompt or lines[at][0], label, lines[at][2])
    user_data.write(tmp_path, lines)
    with pytest.raises(DataError, match=says) as caught:
        take(circle, rows)
    assert str(begun + at * SECOND) in caught.value.message
    assert len(given(circle)) == at // PAGE * PAGE
    assert mark(circle, rows).reached is None


def test_two_that_pull_at_once_do_not_both_take_a_page(
    circle: Circle, rows: UserRows, tmp_path: Path
) -> None:
    user_data.write(tmp_path, user_data.said(STONES[:9], circle.clock.now() - HOUR))
    ledger = circle.workshop.ledger
    inner: list[Pulled] = []

    @contextmanager
    def overtaken() -> Iterator[UnitOfWork]:
        if not inner:
            inner.append(take(circle, rows))
        with ledger.begin() as unit:
            yield unit

    with pytest.raises(Conflict, match="went on"):
        pull(circle.workshop, rows, overtaken, actor="eve", size=PAGE)
    assert inner == [Pulled(9, 9)]
    assert len(given(circle)) == 9


def test_a_database_that_is_not_there_changes_nothing(circle: Circle, tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        take(circle, UserRows(f"sqlite:///{tmp_path / 'nowhere'}"))
    assert given(circle) == []
