"""No test asserts speed; the rule and its exceptions stand in `tests/clocks.py`."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.clocks import find_durations

TESTS = Path(__file__).parent
MEASURE_TIME = (TESTS / "chaos", TESTS / "cases")
"""Suites of their own: how soon real processes notice a kill, and what an attack costs others."""


def durations(source: str) -> list[str]:
    return [duration.text for duration in find_durations(ast.parse(source))]


def test_no_test_asserts_speed() -> None:
    sources = [path for path in TESTS.rglob("*.py") if not set(MEASURE_TIME) & set(path.parents)]
    faults = {
        f"{path.relative_to(TESTS)}:{place.line}": place.text
        for path in sources
        for place in find_durations(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert sources
    assert faults == {}, "count calls or bytes (tests/work.py), or measure a ratio in bench/"


@pytest.mark.parametrize(
    "source",
    [
        "import time\nbegan = time.perf_counter()\nassert time.perf_counter() - began < 1",
        "import time as t\nbegan = t.monotonic_ns()\nend = t.monotonic_ns()\nspent = end - began",
        "from time import perf_counter as tick\nstart = tick()\nassert tick() < start + 1",
        "from time import process_time\nassert process_time() < 9",
        "import time\nself.began = time.time()\nself.spent = time.time() - self.began",
        "import time\nclock = time.monotonic\nbegan = clock()\nassert 1 > clock() - began",
        "import time\ntimes = [time.perf_counter() for _ in range(2)]\nspent = times[1] - times[0]",
        "import time\nif (now := time.monotonic()) > 5: pass\nwhile now < 9: assert now < 5",
        "import time\nrows = 3 - min(1, time.thread_time())",
        "from resource import getrusage\nassert getrusage(0).ru_utime < 1",
        "import timeit\nassert timeit.timeit('f()') < 1",
        "from timeit import default_timer",
    ],
    ids=lambda source: source.partition("\n")[0],
)
def test_a_duration_is_found(source: str) -> None:
    assert durations(source)


@pytest.mark.parametrize(
    "source",
    [
        "import time\nend = time.monotonic() + 9\nwhile time.monotonic() < end: pass\nraise",
        "from time import monotonic\nend = monotonic() + 9\nwhile f() and monotonic() < end: g()",
        "import time\nfile.touch(time.time())\nassert file.size - 1 < 9",
        "seconds = report['seconds']\nassert seconds > 0",
        "began = clock.now()\nassert clock.now() - began == ONE_SECOND",
    ],
    ids=["deadline", "deadline of a condition", "a date", "a figure", "a clock that a test moves"],
)
def test_a_deadline_is_no_duration(source: str) -> None:
    assert durations(source) == []
