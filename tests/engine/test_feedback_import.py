"""Feedback from another system's database: each row once, whatever comes between."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.engine import feedback_rows
from tidemill.adapters.feedback_table import FeedbackTable
from tidemill.domain.errors import Conflict, DataError, Unavailable
from tidemill.domain.events import FeedbackImported
from tidemill.domain.feedback import Feedback, FeedbackStatus
from tidemill.domain.import_offset import ImportOffset
from tidemill.domain.ledger import UnitOfWork
from tidemill.engine.feedback_import import FeedbackImport, ImportedFeedback
from tidemill.loop import feedback
from tidemill.loop.feedback import FeedbackPolicy
from tidemill.loop.feedback_columns import FeedbackColumns
from tidemill.testing.in_process import InProcessLoop, OpenLoop
from tidemill.testing.tiny_recipe.pebbles import pebbles

pytestmark = pytest.mark.xdist_group("pebbles")
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
PAGE = 8
STONES = pebbles(2 * PAGE + 5, 71, 0.0)


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def circle(begin: OpenLoop) -> InProcessLoop:
    return begin()


@pytest.fixture
def rows(circle: InProcessLoop, tmp_path: Path) -> FeedbackTable:
    return feedback_rows.create_table(tmp_path)


def take(circle: InProcessLoop, rows: FeedbackTable) -> ImportedFeedback:
    unit = circle.workspace.ledger.begin
    return FeedbackImport(circle.workspace, rows).run(unit, actor="eve", size=PAGE)


def imported(circle: InProcessLoop, status: FeedbackStatus | None = None) -> list[Feedback]:
    with circle.workspace.ledger.begin(write=False) as unit:
        return unit.feedback(status=status, limit=None)


def review(circle: InProcessLoop, policy: FeedbackPolicy = "accept_unless_suspicious") -> None:
    with circle.workspace.ledger.begin() as unit:
        feedback.review(unit, policy, actor="engine", at=circle.clock.now(), limit=100)


def mark(circle: InProcessLoop, rows: FeedbackTable) -> ImportOffset:
    with circle.workspace.ledger.begin(write=False) as unit:
        return unit.import_offset(rows.import_offset)


def test_rows_become_feedback_of_the_table(
    circle: InProcessLoop, rows: FeedbackTable, tmp_path: Path
) -> None:
    at = circle.clock.now() - HOUR
    feedback_rows.write_rows(tmp_path, feedback_rows.right_rows(STONES[:3], at, apart=SECOND))
    assert take(circle, rows) == ImportedFeedback(3, 3)
    feedback = imported(circle)
    assert [(row.example, row.label) for row in feedback] == [
        (stone.id, *stone.labels.values()) for stone in STONES[:3]
    ]
    assert [row.at for row in feedback] == [at + n * SECOND for n in range(3)]
    assert {(row.actor, row.status, row.prediction) for row in feedback} == {
        ("feedback_table", "pending", "")
    }
    assert [circle.workspace.blobs.get(row.example) for row in feedback] == [
        stone.payload for stone in STONES[:3]
    ]
    with circle.workspace.ledger.begin(write=False) as unit:
        [event] = unit.events(subject=rows.import_offset)
    assert (event.actor, event.kind, event.reason) == ("eve", "FeedbackImported", "")
    assert event.detail == {"rows": 3, "new": 3, "left_out": 0}


def test_pulling_again_does_nothing_new(
    circle: InProcessLoop, rows: FeedbackTable, tmp_path: Path
) -> None:
    feedback_rows.write_rows(
        tmp_path, feedback_rows.right_rows(STONES, circle.clock.now() - HOUR, apart=SECOND)
    )
    assert take(circle, rows) == ImportedFeedback(len(STONES), len(STONES))
    assert mark(circle, rows).caught_up_at == circle.clock.now()
    assert take(circle, rows) == ImportedFeedback(1, 0), "the last row's time is read again"
    assert len(imported(circle)) == len(STONES)
    feedback_rows.write_rows(
        tmp_path, feedback_rows.right_rows(pebbles(5, 72, 0.0), circle.clock.now() - SECOND)
    )
    assert take(circle, rows) == ImportedFeedback(6, 5)


def test_a_import_offset_that_is_lost_doubles_nothing(
    circle: InProcessLoop, rows: FeedbackTable, tmp_path: Path
) -> None:
    at = circle.clock.now() - HOUR
    stone, other = STONES[0].payload.decode(), next(iter(STONES[1].labels.values()))
    label = next(iter(STONES[0].labels.values()))
    minds = [label, label, other, label, other, other]
    lines = [(stone, mind, at + n // 2 * SECOND) for n, mind in enumerate(minds)]
    feedback_rows.write_rows(tmp_path, lines)
    assert take(circle, rows) == ImportedFeedback(len(minds), 2)
    assert [(row.label, row.status) for row in imported(circle)] == [
        (label, "pending"),
        (other, "pending"),
    ]
    policies: list[FeedbackPolicy | None] = [None, "accept", "accept_unless_suspicious"]
    for policy in policies:
        if policy:
            review(circle, policy)
        before = imported(circle)
        with circle.workspace.ledger.begin() as unit:
            lost = ImportOffset(rows.import_offset)
            event = FeedbackImported(actor="ada", subject=rows.import_offset, rows=0, new=0)
            unit.move_import_offset(
                lost, expected=unit.import_offset(rows.import_offset), event=event
            )
        assert take(circle, rows) == ImportedFeedback(len(minds), 0)
        assert imported(circle) == before


OPINIONS = FeedbackColumns(
    table="Opinions",
    label="kind",
    time="said at",
    payload="stone",
    actor="who",
    values={"f": "flint", "g": "granite"},
)


def write_opinions(folder: Path, *rows: tuple[str, str, datetime]) -> FeedbackTable:
    """Another table: the actor, a letter for the label, the time, all of one pebble."""
    stone = STONES[0].payload.decode()
    with closing(sqlite3.connect(folder / feedback_rows.FILE)) as database, database:
        database.execute('CREATE TABLE IF NOT EXISTS "Opinions" (who, kind, "said at", stone)')
        database.executemany(
            'INSERT INTO "Opinions" VALUES (?, ?, ?, ?)',
            [(who, kind, at.isoformat(), stone) for who, kind, at in rows],
        )
    return feedback_rows.open_table(folder, OPINIONS)


def opinions(circle: InProcessLoop) -> list[tuple[str, str, str]]:
    return [(row.actor, row.label, row.status) for row in imported(circle)]


def test_a_row_with_an_actor_is_the_opinion_of_that_actor(
    circle: InProcessLoop, tmp_path: Path
) -> None:
    at = circle.clock.now() - HOUR
    table = write_opinions(
        tmp_path,
        ("ana", "f", at),
        ("ana", "G", at + SECOND),
        ("", "f", at),
        (" bob ", "granite", at),
    )
    assert take(circle, table) == ImportedFeedback(4, 4)
    assert sorted(opinions(circle)) == [
        ("ana", "flint", "superseded"),
        ("ana", "granite", "pending"),
        ("bob", "granite", "pending"),
        ("feedback_table", "flint", "pending"),
    ]
    before = imported(circle)
    with circle.workspace.ledger.begin() as unit:
        lost = ImportOffset(table.import_offset)
        event = FeedbackImported(actor="ada", subject=table.import_offset, rows=0, new=0)
        unit.move_import_offset(lost, expected=unit.import_offset(lost.name), event=event)
    assert take(circle, table) == ImportedFeedback(4, 0), "every row was read before"
    assert imported(circle) == before


def test_an_older_row_of_an_actor_that_appears_late_changes_no_mind(
    circle: InProcessLoop, tmp_path: Path
) -> None:
    now = circle.clock.now()
    table = write_opinions(tmp_path, ("ana", "f", now))
    assert take(circle, table) == ImportedFeedback(1, 1)
    write_opinions(tmp_path, ("ana", "g", now - SECOND))
    late = f"The row of {table.name} of {now - SECOND} is older than another label of 'ana'."
    assert take(circle, table) == ImportedFeedback(2, 0, 1, (late,))
    assert opinions(circle) == [("ana", "flint", "pending")]
    write_opinions(tmp_path, ("ana", "g", now + SECOND))
    assert take(circle, table).new == 1
    assert opinions(circle) == [("ana", "flint", "superseded"), ("ana", "granite", "pending")]


def test_a_row_of_the_far_future_is_left_out_and_silences_nobody(
    circle: InProcessLoop, tmp_path: Path
) -> None:
    now = circle.clock.now()
    ahead, day = now + 24 * HOUR + SECOND, now + 24 * HOUR
    table = write_opinions(tmp_path, ("ana", "f", ahead), ("bob", "g", day), ("eve", "f", now))
    fault = f"The row of {table.name} of {ahead} lies more than a day ahead."
    assert take(circle, table) == ImportedFeedback(3, 2, 1, (fault,))
    circle.clock.advance(SECOND)
    write_opinions(tmp_path, ("ana", "g", circle.clock.now()))
    assert take(circle, table).new == 2, "ana's label, and the row that is a day ahead by now"
    assert ("ana", "granite", "superseded") in opinions(circle)


def test_names_that_fit_no_table_change_nothing(
    circle: InProcessLoop, rows: FeedbackTable, tmp_path: Path
) -> None:
    feedback_rows.write_rows(tmp_path, feedback_rows.right_rows(STONES[:1], circle.clock.now()))
    wrong = replace(rows.columns, payload="prompt")
    with pytest.raises(DataError, match="feedback has no column 'prompt'") as caught:
        take(circle, feedback_rows.open_table(tmp_path, wrong))
    assert caught.value.hint == "Its columns are: payload, label, time."
    assert (imported(circle), mark(circle, rows).caught_up_at) == ([], None)


def test_the_names_of_the_table_are_policies_of_the_engine(
    begin: OpenLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMILL_FEEDBACK_DATABASE", f"sqlite:///{tmp_path / feedback_rows.FILE}")
    circle = begin(
        "feedback.table=Opinions",
        "feedback.label={stone:kind}",
        "feedback.time=said at",
        "feedback.payload=stone",
        "feedback.values={f:flint}",
    )
    write_opinions(tmp_path, ("ana", "F", circle.clock.now() - HOUR))
    assert circle.engine.import_feedback() == ImportedFeedback(1, 1)
    assert opinions(circle) == [("feedback_table", "flint", "pending")]


def test_rows_of_the_same_moment_are_one_opinion(
    circle: InProcessLoop, rows: FeedbackTable, tmp_path: Path
) -> None:
    at = circle.clock.now() - HOUR
    feedback_rows.write_rows(tmp_path, feedback_rows.right_rows([STONES[0]] * (PAGE + 3), at))
    assert take(circle, rows).new == 1
    assert len(imported(circle)) == 1


def opposed(at: datetime, apart: timedelta) -> list[tuple[object, object, datetime]]:
    """Two users who say another label each of one prompt."""
    labels = sorted({next(iter(stone.labels.values())) for stone in STONES})
    return [(STONES[0].payload.decode(), labels[n], at + n * apart) for n in range(2)]


def test_opposed_rows_are_suspicious_both(
    circle: InProcessLoop, rows: FeedbackTable, tmp_path: Path
) -> None:
    lines = opposed(circle.clock.now() - HOUR, HOUR / 2)
    feedback_rows.write_rows(tmp_path, lines)
    assert take(circle, rows).new == 2
    review(circle)
    assert [(row.label, row.status, row.reason) for row in imported(circle)] == [
        (lines[0][1], "rejected", f"feedback_table says {lines[1][1]!r}."),
        (lines[1][1], "rejected", f"feedback_table says {lines[0][1]!r}."),
    ]
    assert take(circle, rows) == ImportedFeedback(1, 0)


@pytest.mark.parametrize("apart", [HOUR / 2, -20 * SECOND], ids=["later", "committed late"])
def test_a_row_against_one_that_was_accepted_is_suspicious(
    circle: InProcessLoop, rows: FeedbackTable, tmp_path: Path, apart: timedelta
) -> None:
    first, second = opposed(circle.clock.now() - (HOUR if apart > SECOND else SECOND), apart)
    feedback_rows.write_rows(tmp_path, [first])
    take(circle, rows)
    review(circle)
    feedback_rows.write_rows(tmp_path, [second])
    assert take(circle, rows).new == 1
    review(circle)
    came = {row.label: row.status for row in imported(circle)}
    # A policy lets an older label give way without a look at what speaks against it.
    assert came == {first[1]: "accepted", second[1]: "rejected" if apart > SECOND else "superseded"}


def test_what_is_said_again_after_it_was_turned_down_is_new(
    circle: InProcessLoop, rows: FeedbackTable, tmp_path: Path
) -> None:
    feedback_rows.write_rows(
        tmp_path, feedback_rows.right_rows(STONES[:1] * 3, circle.clock.now() - HOUR, apart=SECOND)
    )
    assert take(circle, rows) == ImportedFeedback(3, 1)
    with circle.workspace.ledger.begin() as unit:
        now = circle.clock.now()
        feedback.reject(unit, imported(circle)[0].id, actor="ada", reason="no", at=now)
    assert take(circle, rows) == ImportedFeedback(1, 0), "a repeat stays a repeat"
    circle.clock.advance(HOUR)
    feedback_rows.write_rows(tmp_path, feedback_rows.right_rows(STONES[:1], circle.clock.now()))
    assert take(circle, rows) == ImportedFeedback(2, 1)
    assert take(circle, rows) == ImportedFeedback(2, 0)
    assert [row.status for row in imported(circle)] == ["rejected", "pending"]


def test_what_a_person_rejected_stays_rejected_when_its_row_is_read_again(
    circle: InProcessLoop, rows: FeedbackTable, tmp_path: Path
) -> None:
    now = circle.clock.now()
    feedback_rows.write_rows(tmp_path, feedback_rows.right_rows(STONES[:1], now))
    take(circle, rows)
    with circle.workspace.ledger.begin() as unit:
        feedback.reject(unit, imported(circle)[0].id, actor="ada", reason="no", at=now)
    assert take(circle, rows) == ImportedFeedback(1, 0)
    assert [row.status for row in imported(circle)] == ["rejected"]


def test_a_row_that_is_committed_late_is_not_lost(
    circle: InProcessLoop, rows: FeedbackTable, tmp_path: Path
) -> None:
    now = circle.clock.now()
    feedback_rows.write_rows(
        tmp_path, feedback_rows.right_rows(STONES[:2], now - 30 * SECOND, apart=20 * SECOND)
    )
    assert take(circle, rows) == ImportedFeedback(2, 2)
    assert mark(circle, rows).position == ""
    feedback_rows.write_rows(tmp_path, feedback_rows.right_rows(STONES[2:3], now - 40 * SECOND))
    assert take(circle, rows) == ImportedFeedback(3, 1)
    circle.clock.advance(HOUR)
    assert take(circle, rows) == ImportedFeedback(3, 0)
    assert f"{now - 10 * SECOND:%H:%M:%S}" in mark(circle, rows).position


def test_a_pull_that_is_cut_off_loses_and_doubles_nothing(
    circle: InProcessLoop, rows: FeedbackTable, tmp_path: Path
) -> None:
    feedback_rows.write_rows(
        tmp_path, feedback_rows.right_rows(STONES, circle.clock.now() - HOUR, apart=SECOND)
    )
    ledger, opened = circle.workspace.ledger, []

    @contextmanager
    def mortal() -> Iterator[UnitOfWork]:
        with ledger.begin() as unit:
            yield unit
            opened.append(unit)
            if len(opened) == 2:
                raise Killed

    with pytest.raises(Killed):
        FeedbackImport(circle.workspace, rows).run(mortal, actor="eve", size=PAGE)
    assert len(imported(circle)) == PAGE, "the second page went with its import offset"
    assert mark(circle, rows).caught_up_at is None
    assert take(circle, rows) == ImportedFeedback(len(STONES) - PAGE + 1, len(STONES) - PAGE)
    assert len({row.example for row in imported(circle)}) == len(imported(circle)) == len(STONES)


LACKING: dict[str, tuple[tuple[object, object, datetime | str | None], str]] = {
    "payload": ((None, "flint", datetime(2026, 1, 1, tzinfo=UTC)), "of 2026-01-01 00:00:00.000000"),
    "time": (("a stone", "flint", None), "Rows of feedback without a time: 1."),
    "time that is one": (("a stone", "flint", "soon"), "has the time 'soon', which is none."),
}


@pytest.mark.parametrize("lacks", LACKING)
def test_a_row_that_lacks_something_is_left_out_and_said(
    circle: InProcessLoop, rows: FeedbackTable, tmp_path: Path, lacks: str
) -> None:
    row, fault = LACKING[lacks]
    feedback_rows.write_rows(
        tmp_path, [row, *feedback_rows.right_rows(STONES[:3], circle.clock.now() - HOUR)]
    )
    outcome = take(circle, rows)
    assert (outcome.new, outcome.left_out, len(outcome.reasons)) == (3, 1, 1)
    assert fault in outcome.reasons[0]
    with circle.workspace.ledger.begin(write=False) as unit:
        [event] = unit.events(subject=rows.import_offset)
    assert (event.reason, event.detail["left_out"]) == (outcome.reasons[0], 1)


@pytest.mark.parametrize("lacks", LACKING)
def test_a_row_that_lacks_something_holds_up_nothing_that_comes_later(
    circle: InProcessLoop, rows: FeedbackTable, tmp_path: Path, lacks: str
) -> None:
    row, _ = LACKING[lacks]
    feedback_rows.write_rows(tmp_path, [row])
    assert (take(circle, rows).new, mark(circle, rows).caught_up_at) == (0, circle.clock.now())
    feedback_rows.write_rows(
        tmp_path, feedback_rows.right_rows(STONES[:3], circle.clock.now() - HOUR)
    )
    assert take(circle, rows).new == 3
    circle.clock.advance(HOUR)
    feedback_rows.write_rows(
        tmp_path, feedback_rows.right_rows(STONES[3:5], circle.clock.now() - HOUR / 2)
    )
    assert take(circle, rows).new == 2


def test_a_page_full_of_rows_without_a_payload_is_another_table(
    circle: InProcessLoop, rows: FeedbackTable, tmp_path: Path
) -> None:
    at = circle.clock.now() - HOUR
    feedback_rows.write_rows(tmp_path, [(None, "flint", at + n * SECOND) for n in range(PAGE)])
    with pytest.raises(DataError, match=f"None of {PAGE} rows of feedback can be imported"):
        take(circle, rows)


def test_two_that_pull_at_once_do_not_both_take_a_page(
    circle: InProcessLoop, rows: FeedbackTable, tmp_path: Path
) -> None:
    feedback_rows.write_rows(
        tmp_path, feedback_rows.right_rows(STONES[:9], circle.clock.now() - HOUR)
    )
    ledger = circle.workspace.ledger
    inner: list[ImportedFeedback] = []

    @contextmanager
    def overtaken() -> Iterator[UnitOfWork]:
        if not inner:
            inner.append(take(circle, rows))
        with ledger.begin() as unit:
            yield unit

    with pytest.raises(Conflict, match="moved the import offset"):
        FeedbackImport(circle.workspace, rows).run(overtaken, actor="eve", size=PAGE)
    assert inner == [ImportedFeedback(9, 9)]
    assert len(imported(circle)) == 9


def test_a_database_that_is_not_there_changes_nothing(
    circle: InProcessLoop, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable):
        take(circle, feedback_rows.open_table(tmp_path / "nowhere"))
    assert imported(circle) == []
