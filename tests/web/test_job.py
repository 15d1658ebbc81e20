"""Jobs of like length run together, and each has its turn."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.predictor import Preprocessed
from tidemill.web.job import MAX_SORTED, Job, count_payloads, take_batch

ANY: Any = None


def job(*lengths: int, items: int = 1) -> Job:
    row = Preprocessed(None, ({},) * items)
    inputs = [row] * len(lengths)
    loop = cast(asyncio.AbstractEventLoop, ANY)
    return Job(ANY, [b""] * len(lengths), inputs, lengths, loop, ANY, at=0.0)


def lengths(jobs: Sequence[Job]) -> list[tuple[int, ...]]:
    return [tuple(each.lengths) for each in jobs]


def test_the_nearest_in_length_go_with_the_oldest() -> None:
    waiting = deque(job(length) for length in (20, 90, 5, 22, 21, 80))
    assert lengths(take_batch(waiting, 3, 100)) == [(20,), (22,), (21,)]
    assert lengths(take_batch(waiting, 2, 100)) == [(90,), (80,)]
    assert lengths(waiting) == [(5,)]


def test_equal_lengths_keep_their_order() -> None:
    jobs = [job(7) for _ in range(10)]
    waiting = deque(jobs)
    assert take_batch(waiting, 4, 100) == jobs[:4]
    assert [*waiting] == jobs[4:]


@pytest.mark.parametrize(("payloads", "items"), [(2, 100), (100, 2)])
def test_one_job_always_fits(payloads: int, items: int) -> None:
    waiting = deque([job(1, 1, 1, 1), job(1)])
    assert lengths(take_batch(waiting, payloads, items)) == [(1, 1, 1, 1)]


def test_a_batch_is_full_of_items_too() -> None:
    waiting = deque(job(1, items=4) for _ in range(5))
    assert len(take_batch(waiting, 100, 9)) == 2


@given(st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=5), min_size=1, max_size=40))
def test_every_job_has_its_turn(rows: list[list[int]]) -> None:
    jobs = [job(*row) for row in rows]
    waiting = deque(jobs)
    taken: list[Job] = []
    for turn in range(len(jobs)):
        if not waiting:
            break
        oldest = waiting[0]
        batch = take_batch(waiting, 8, 100)
        assert oldest in batch
        assert len(batch) == 1 or sum(len(each.payloads) for each in batch) <= 8
        assert turn < jobs.index(oldest) + 1
        taken += batch
    assert not waiting
    assert sorted(map(id, taken)) == sorted(map(id, jobs))


def test_a_long_queue_is_not_sorted_whole() -> None:
    waiting = deque(job(1 + at % 3) for at in range(4 * MAX_SORTED))
    last = [*waiting][MAX_SORTED:]
    take_batch(waiting, 200, 10_000)
    assert [*waiting][-len(last) :] == last
    assert count_payloads(waiting, 50) == 50
