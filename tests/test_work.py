"""What `measure_work` counts, of actions whose work is known."""

from __future__ import annotations

import sys
import time

import pytest

from tests.work import count_calls, measure_work


def spend(calls: int, size: int = 0) -> None:
    buffer = bytes(size)
    for _ in range(calls):
        len(buffer)


def test_calls_are_counted_by_name() -> None:
    calls = count_calls(spend, 7)
    assert calls == {"spend": 1, "len": 7}
    assert calls.total() == 8


def test_a_sleep_and_a_failure_are_counted_and_the_profiler_goes() -> None:
    def fail() -> None:
        time.sleep(0)
        raise ValueError("no")

    before = sys.getprofile()
    with pytest.raises(ValueError, match="no"):
        count_calls(fail)
    assert sys.getprofile() is before
    assert count_calls(time.sleep, 0)["sleep"] == 1


def test_work_grows_with_calls_and_bytes() -> None:
    small, large = measure_work(spend, 10, 1000), measure_work(spend, 20, 1_000_000)
    assert large.calls - small.calls == 10
    assert large.peak - small.peak == pytest.approx(999_000, abs=1000)
