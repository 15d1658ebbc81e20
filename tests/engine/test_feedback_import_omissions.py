"""Rows of another system's database that cannot be taken: left out, counted and named."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from tests.engine import feedback_rows
from tidemill.adapters.feedback_table import FeedbackTable
from tidemill.domain.errors import DataError
from tidemill.domain.events import RecordedEvent
from tidemill.domain.feedback import Feedback
from tidemill.domain.import_offset import ImportOffset
from tidemill.engine.feedback_import import FeedbackImport, ImportedFeedback
from tidemill.testing.in_process import InProcessLoop, OpenLoop
from tidemill.testing.tiny_recipe.pebbles import pebbles

pytestmark = pytest.mark.xdist_group("pebbles")
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
PAGE = 8
STONES = pebbles(2 * PAGE + 5, 71, 0.0)


@pytest.fixture
def circle(begin: OpenLoop) -> InProcessLoop:
    return begin()


@pytest.fixture
def rows(circle: InProcessLoop, tmp_path: Path) -> FeedbackTable:
    return feedback_rows.create_table(tmp_path)


def take(circle: InProcessLoop, rows: FeedbackTable) -> ImportedFeedback:
    unit = circle.workspace.ledger.begin
    return FeedbackImport(circle.workspace, rows).run(unit, actor="eve", size=PAGE)


def imported(circle: InProcessLoop) -> list[Feedback]:
    with circle.workspace.ledger.begin(write=False) as unit:
        return unit.feedback(limit=None)


def mark(circle: InProcessLoop, rows: FeedbackTable) -> ImportOffset:
    with circle.workspace.ledger.begin(write=False) as unit:
        return unit.import_offset(rows.import_offset)


def pages_told(circle: InProcessLoop, rows: FeedbackTable) -> list[RecordedEvent]:
    """The events of the pages, the oldest first."""
    with circle.workspace.ledger.begin(write=False) as unit:
        return unit.events(subject=rows.import_offset)[::-1]


@pytest.mark.parametrize(
    ("at", "prompt", "label", "says"),
    [
        (1, None, "marble", "cannot be imported: 'marble' is no label of stone."),
        (1, None, None, "cannot be imported: None is no label of stone."),
        (1, None, 1, "cannot be imported: 1 is no label of stone."),
        (
            1,
            None,
            "x" * 999,
            "cannot be imported: 'xxxxxxxxxxxx...xxxxxxxxxxxxx' is no label of stone.",
        ),
        (1, "", "flint", "cannot be imported: This is no pebble: "),
        (1, "no pebble", "flint", "cannot be imported: This is no pebble: "),
        (PAGE + 1, None, "marble", "cannot be imported: 'marble' is no label of stone."),
        (len(STONES) - 1, None, "marble", "cannot be imported: 'marble' is no label of stone."),
    ],
)
def test_a_row_that_cannot_be_taken_is_named_and_left_out(
    circle: InProcessLoop,
    rows: FeedbackTable,
    tmp_path: Path,
    at: int,
    prompt: str | None,
    label: object,
    says: str,
) -> None:
    begun, n = circle.clock.now() - HOUR, len(STONES)
    lines = feedback_rows.right_rows(STONES, begun, apart=SECOND)
    lines[at] = (lines[at][0] if prompt is None else prompt, label, lines[at][2])
    feedback_rows.write_rows(tmp_path, lines)
    reason = f"The row of feedback of {begun + at * SECOND} {says}"
    pulled = take(circle, rows)
    assert (pulled.rows, pulled.new, pulled.left_out) == (n, n - 1, 1)
    [sentence] = pulled.reasons
    assert sentence.startswith(reason)
    others = [stone.id for stone in (*STONES[:at], *STONES[at + 1 :])]
    assert [row.example for row in imported(circle)] == others
    events = pages_told(circle, rows)
    assert [event.detail["left_out"] for event in events] == [
        int(page == at // PAGE) for page in range(3)
    ]
    assert [event.reason for event in events if event.reason] == [sentence]
    assert take(circle, rows).new == 0, "a last row that was left out holds nothing up"


def test_of_many_that_are_left_out_the_first_are_told(
    circle: InProcessLoop, rows: FeedbackTable, tmp_path: Path
) -> None:
    lines = feedback_rows.right_rows(STONES, circle.clock.now() - HOUR, apart=SECOND)
    bad = [*range(2, 7), *range(PAGE, PAGE + 4), len(STONES) - 1]
    for at in bad:
        lines[at] = (lines[at][0], f"stone {at}", lines[at][2])
    feedback_rows.write_rows(tmp_path, lines)
    pulled = take(circle, rows)
    assert (pulled.new, pulled.left_out) == (len(STONES) - 10, 10)
    assert [reason.split("'")[1] for reason in pulled.reasons] == ["stone 2", "stone 3", "stone 4"]
    events = pages_told(circle, rows)
    assert [event.detail["left_out"] for event in events] == [5, 4, 1]
    assert "stone 10" in events[1].reason
    assert "stone 11" not in events[1].reason


@pytest.mark.parametrize("sound", [0, PAGE], ids=["the first page", "a later page"])
@pytest.mark.parametrize("value", ["marble", None])
def test_a_page_of_which_nothing_can_be_taken_is_an_error(
    circle: InProcessLoop, rows: FeedbackTable, tmp_path: Path, sound: int, value: object
) -> None:
    begun = circle.clock.now() - HOUR
    lines = feedback_rows.right_rows(pebbles(4 * PAGE, 71, 0.0), begun, apart=SECOND)
    wrong = [(prompt, value, at) for prompt, _, at in lines[sound:]]
    feedback_rows.write_rows(tmp_path, [*lines[:sound], *wrong])
    for _ in range(3):
        with pytest.raises(DataError, match=f"None of {PAGE} rows of feedback can be") as caught:
            take(circle, rows)
        assert f"{value!r} is no label of stone." in caught.value.message
        assert "flint" in caught.value.hint
        assert (len(imported(circle)), mark(circle, rows).caught_up_at) == (sound, None)


def test_where_a_page_ends_decides_nothing_about_its_last_rows(
    circle: InProcessLoop, rows: FeedbackTable, tmp_path: Path
) -> None:
    lines = feedback_rows.right_rows(STONES, circle.clock.now() - HOUR, apart=SECOND)
    lines[2 * PAGE :] = [(prompt, "marble", at) for prompt, _, at in lines[2 * PAGE :]]
    feedback_rows.write_rows(tmp_path, lines)
    pulled = take(circle, rows)
    assert (pulled.rows, pulled.new, pulled.left_out) == (len(STONES), 2 * PAGE, 5)


def test_rows_none_of_which_can_be_taken_are_an_error_until_one_can(
    circle: InProcessLoop, rows: FeedbackTable, tmp_path: Path
) -> None:
    now = circle.clock.now()
    feedback_rows.write_rows(
        tmp_path, feedback_rows.right_rows(STONES[:2], now - HOUR, apart=SECOND)
    )
    take(circle, rows)
    circle.clock.advance(HOUR)
    prompt = STONES[2].payload.decode()
    feedback_rows.write_rows(tmp_path, [(prompt, "marble", now)])
    assert take(circle, rows).left_out == 1, "the row before it is read again, and is a good one"
    circle.clock.advance(HOUR)
    again = take(circle, rows)
    assert (again.rows, again.left_out) == (1, 1), "it was left out before: there is nothing new"
    circle.clock.advance(SECOND)
    feedback_rows.write_rows(tmp_path, [(prompt, "onyx", circle.clock.now())])
    with pytest.raises(DataError, match="None of 2 rows"):
        take(circle, rows)
    feedback_rows.write_rows(tmp_path, feedback_rows.right_rows(STONES[3:4], circle.clock.now()))
    pulled = take(circle, rows)
    assert (pulled.rows, pulled.new, pulled.left_out) == (3, 1, 2)


def test_a_label_that_is_no_utf8_is_left_out_alone(
    circle: InProcessLoop, rows: FeedbackTable, tmp_path: Path
) -> None:
    begun = circle.clock.now() - HOUR
    feedback_rows.write_rows(tmp_path, feedback_rows.right_rows(STONES, begun, apart=SECOND))
    with closing(sqlite3.connect(tmp_path / feedback_rows.FILE)) as database, database:
        change = "UPDATE feedback SET label = CAST(X'66FC6E' AS TEXT) WHERE payload = ?"
        database.execute(change, [STONES[3].payload.decode()])
    pulled = take(circle, rows)
    assert (pulled.rows, pulled.new, pulled.left_out) == (len(STONES), len(STONES) - 1, 1)
    named = f"The row of feedback of {begun + 3 * SECOND} cannot be imported"
    assert pulled.reasons == (f"{named}: b'f\\xfcn' is no label of stone.",)
