"""Draining: each answer once, however often it is tried and whatever dies meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from uuid_utils import uuid7

from tidemill.adapters.traffic import SqliteTraffic
from tidemill.domain.errors import Conflict
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import Prediction
from tidemill.engine.drain import BATCH, ROWS, Drain
from tidemill.testing.in_process import InProcessLoop, OpenLoop
from tidemill.testing.tiny_recipe.pebbles import pebbles
from tidemill.workspace.workspace import Workspace

pytestmark = pytest.mark.xdist_group("pebbles")


class Died(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def circle(begin: OpenLoop) -> InProcessLoop:
    return begin()


def step(workspace: Workspace) -> int:
    """One step by a drain that was just started, as after a kill."""
    drained = Drain(workspace).step(workspace.ledger.begin)
    assert drained.faults == ()
    return drained.answers


def counted(workspace: Workspace, kind: str = "live") -> tuple[int, list[int]]:
    """How many rows of v1 were counted, and their counts."""
    with workspace.ledger.begin(write=False) as unit:
        rows = unit.profiles("v1", kind=kind)
    counts = np.sum([row.counts for row in rows], axis=0).tolist() if rows else []
    return sum(row.n for row in rows), counts


def expected(workspace: Workspace, predictions: list[Prediction]) -> tuple[int, list[int]]:
    """What the bundle's own reference counts in these."""
    reference = Drain(workspace).reference("v1")
    return len(predictions), reference.count([row.bins for row in predictions]).tolist()


def count_drained(workspace: Workspace, predictions: list[Prediction]) -> int:
    """How many of these the ledger has, without their payloads."""
    with workspace.ledger.begin(write=False) as unit:
        rows = [unit.prediction(row.id) for row in predictions]
    assert not any(row.payload for row in rows if row)
    return sum(row is not None for row in rows)


def mark(workspace: Workspace, server: str) -> int:
    with workspace.ledger.begin(write=False) as unit:
        return unit.offset(server)


def logged(workspace: Workspace, predictions: list[Prediction]) -> str:
    """These answers again, as the log of another server; returns its id."""
    server = str(uuid7())
    rows = [replace(row, id=str(uuid7()), server=server) for row in predictions]
    with closing(SqliteTraffic(workspace.home / "traffic", server)) as log:
        log.append(rows)
    return server


def gathered(predictions: Sequence[Prediction]) -> Prediction:
    """One answer that says and saw what all of these did."""
    answers = [
        replace(answer, item=f"a{at}")
        for at, row in enumerate(predictions)
        for answer in row.answers
    ]
    return replace(
        predictions[0], answers=tuple(answers), bins=b"".join(row.bins for row in predictions)
    )


def test_the_counts_are_those_of_the_reference_and_the_mark_is_the_last(
    circle: InProcessLoop,
) -> None:
    predictions = circle.predict(pebbles(120, 5, 0.5))
    assert step(circle.workspace) == 120
    assert counted(circle.workspace) == expected(circle.workspace, predictions)
    assert count_drained(circle.workspace, predictions) == 120
    assert mark(circle.workspace, predictions[0].server) == 120


def test_draining_again_drains_nothing(circle: InProcessLoop) -> None:
    predictions = circle.predict(pebbles(30, 5, 0.0))
    assert [step(circle.workspace) for _ in range(3)] == [30, 0, 0]
    predictions += circle.predict(pebbles(7, 6, 0.0))
    assert [step(circle.workspace) for _ in range(2)] == [7, 0]
    assert counted(circle.workspace) == expected(circle.workspace, predictions)


def test_of_two_drains_at_once_the_second_is_refused_and_nothing_is_doubled(
    circle: InProcessLoop,
) -> None:
    workspace = circle.workspace
    predictions = circle.predict(pebbles(30, 5, 0.0))

    @contextmanager
    def after_another() -> Iterator[UnitOfWork]:
        """Between the reading of one drain and its writing, another one does it all."""
        assert step(workspace) == 30
        with workspace.ledger.begin() as unit:
            yield unit

    with pytest.raises(Conflict, match="drained"):
        Drain(workspace).step(after_another)
    assert step(workspace) == 0
    assert counted(workspace) == expected(workspace, predictions)


def test_servers_are_drained_each_from_its_own_mark(begin: OpenLoop) -> None:
    older, newer = begin(), begin()
    workspace = older.workspace
    predictions = newer.predict(pebbles(20, 5, 0.0))
    assert step(workspace) == 20
    predictions += older.predict(pebbles(10, 6, 0.0))
    predictions += newer.predict(pebbles(5, 7, 0.0))
    assert step(workspace) == 15
    assert counted(workspace) == expected(workspace, predictions)
    assert (mark(workspace, predictions[0].server), mark(workspace, predictions[20].server)) == (
        25,
        10,
    )


def test_a_step_takes_one_batch_of_each_server(circle: InProcessLoop) -> None:
    predictions = circle.predict(pebbles(BATCH + 5, 5, 0.0))
    logged(circle.workspace, predictions[:3])
    drain = Drain(circle.workspace)
    done = [drain.step(circle.workspace.ledger.begin).answers for _ in range(3)]
    assert done == [BATCH + 3, 5, 0]
    assert counted(circle.workspace) == expected(circle.workspace, predictions + predictions[:3])


def test_an_answer_about_many_items_counts_as_many_rows(circle: InProcessLoop) -> None:
    predictions = circle.predict(pebbles(30, 5, 0.0))
    width = len(Drain(circle.workspace).reference("v1").names)
    assert {len(row.bins) for row in predictions} == {width}
    together = [gathered(predictions[:20]), gathered(predictions[20:25])]
    logged(circle.workspace, together)
    assert step(circle.workspace) == 30 + 2
    rows, counts = counted(circle.workspace)
    assert rows == 30 + 25
    assert counts == expected(circle.workspace, predictions + predictions[:25])[1]
    with circle.workspace.ledger.begin(write=False) as unit:
        assert unit.count_answers("v1") == 55


def test_answers_about_many_items_are_taken_in_a_few_at_a_time(circle: InProcessLoop) -> None:
    """However long they are, so many end a batch; what is left comes with the next ones."""
    large = gathered(circle.predict(pebbles(100, 5, 0.0)))
    each = replace(large, answers=large.answers * (ROWS // 400))
    logged(circle.workspace, [replace(each, sequence=1 + at) for at in range(10)])
    drain = Drain(circle.workspace)
    done = [drain.step(circle.workspace.ledger.begin).answers for _ in range(4)]
    assert done == [100 + 4, 4, 2, 0]
    assert counted(circle.workspace)[0] == 100 + 10 * 100


def test_small_answers_before_large_ones_do_not_make_a_batch_large(circle: InProcessLoop) -> None:
    """Nor does one that is larger than a batch may be stay behind."""
    predictions = circle.predict(pebbles(100, 5, 0.0))
    large = gathered(predictions)
    half = replace(large, answers=large.answers * (ROWS // 200))
    rows = [
        *predictions[:50],
        half,
        half,
        replace(large, answers=half.answers * 2 + large.answers),
        half,
    ]
    logged(circle.workspace, [replace(row, sequence=1 + at) for at, row in enumerate(rows)])
    drain = Drain(circle.workspace)
    done = [drain.step(circle.workspace.ledger.begin).answers for _ in range(6)]
    assert done == [100 + 50 + 1, 1, 1, 1, 0, 0]
    assert counted(circle.workspace)[0] == 100 + 50 + 4 * 100


def test_answers_of_another_minute_are_another_profile(circle: InProcessLoop) -> None:
    circle.predict(pebbles(4, 5, 0.0))
    circle.clock.advance(timedelta(minutes=1))
    circle.predict(pebbles(3, 6, 0.0))
    step(circle.workspace)
    with circle.workspace.ledger.begin(write=False) as unit:
        first, second = unit.profiles("v1")
    assert (first.n, second.n) == (4, 3)
    assert second.bucket - first.bucket == timedelta(minutes=1)
    assert first.bucket.second == first.bucket.microsecond == 0


def test_probes_are_counted_apart(circle: InProcessLoop) -> None:
    live = circle.predict(pebbles(20, 5, 0.0))
    probes = circle.predict(pebbles(6, 6, 0.0), "golden")
    assert step(circle.workspace) == 26
    assert counted(circle.workspace) == expected(circle.workspace, live)
    assert counted(circle.workspace, "golden") == expected(circle.workspace, probes)
    with circle.workspace.ledger.begin(write=False) as unit:
        assert unit.count_answers("v1") == 20


def test_what_dies_between_reading_and_writing_leaves_the_mark_where_it_was(
    circle: InProcessLoop,
) -> None:
    workspace = circle.workspace
    predictions = circle.predict(pebbles(20, 5, 0.0))

    @contextmanager
    def dying() -> Iterator[UnitOfWork]:
        with workspace.ledger.begin() as unit:
            yield unit
            raise Died

    with pytest.raises(Died):
        Drain(workspace).step(dying)
    assert mark(workspace, predictions[0].server) == 0
    assert (counted(workspace), count_drained(workspace, predictions)) == ((0, []), 0)
    assert step(workspace) == 20
    assert counted(workspace) == expected(workspace, predictions)


def test_what_dies_between_two_servers_keeps_the_first(circle: InProcessLoop) -> None:
    workspace = circle.workspace
    predictions = circle.predict(pebbles(20, 5, 0.0))
    other = logged(workspace, predictions[:4])

    def once(begin: Callable[[], AbstractContextManager[UnitOfWork]]) -> Iterator[UnitOfWork]:
        with begin() as unit:
            yield unit
        raise Died

    with pytest.raises(Died):
        Drain(workspace).step(partial(contextmanager(once), workspace.ledger.begin))
    assert (mark(workspace, predictions[0].server), mark(workspace, other)) == (20, 0)
    assert step(workspace) == 4
    assert counted(workspace) == expected(workspace, predictions + predictions[:4])


def test_a_killed_server_s_log_gives_what_was_answered_and_nothing_half_written(
    circle: InProcessLoop, tmp_path: Path
) -> None:
    """A kill leaves the database, its write-ahead log, and maybe half a transaction in that."""
    workspace = circle.workspace
    predictions = circle.predict(pebbles(20, 5, 0.0))
    server, folder = str(uuid7()), workspace.home / "traffic"
    rows = [replace(row, id=str(uuid7()), server=server) for row in predictions]
    with closing(SqliteTraffic(tmp_path / "alive", server)) as log:
        log.append(rows[:12])
        wal = tmp_path / "alive" / f"{server}.sqlite-wal"
        answered = wal.stat().st_size
        log.append(rows[12:])
        shutil.copy(wal.with_suffix(".sqlite"), folder)
        torn = wal.read_bytes()[: (answered + wal.stat().st_size) // 2]
        (folder / wal.name).write_bytes(torn)
    assert step(workspace) == 20 + 12
    assert (count_drained(workspace, rows[:12]), count_drained(workspace, rows[12:])) == (12, 0)
    assert counted(workspace) == expected(workspace, predictions + rows[:12])
    assert step(workspace) == 0


def test_a_damaged_log_is_said_and_named_and_holds_up_no_other(begin: OpenLoop) -> None:
    circle, newer = begin(), begin()
    server = logged(circle.workspace, circle.predict(pebbles(3, 5, 0.0)))
    predictions = newer.predict(pebbles(8, 6, 0.0))
    (circle.workspace.home / "traffic" / f"{server}.sqlite").write_bytes(b"no log" * 1_000)
    drained = Drain(circle.workspace).step(circle.workspace.ledger.begin)
    [fault] = drained.faults
    assert (drained.answers, server in fault) == (3 + 8, True)
    assert count_drained(circle.workspace, predictions) == 8
    assert server in circle.tick().fault
