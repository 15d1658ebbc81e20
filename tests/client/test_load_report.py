"""A load test is judged by what its last step measured."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tidemill.client.load_mix import LoadTask, payload_mix, recipe_mix, upload
from tidemill.client.load_report import StepResult, build_load_report, find_knee, read_objective
from tidemill.client.load_test import plan_steps
from tidemill.domain.errors import DataError, UsageError

Record = list[Any]


def request(at: float, ms: float, error: str = "") -> Record:
    return ["request", at, ms, "GET /", error]


def steady(start: float, stop: float, rate: int, ms: float) -> list[Record]:
    n = int((stop - start) * rate)
    return [request(start + (at + 0.5) / rate, ms) for at in range(n)]


RECORDS: list[Record] = [
    ["step", 100.0, 5],
    *steady(100, 110, 10, 20.0),
    ["step", 110.0, 10],
    *steady(110, 120, 12, 40.0),
    ["end", 120.0],
]


def test_a_request_counts_for_the_step_in_which_it_began() -> None:
    report = build_load_report("http://localhost:1", RECORDS, [read_objective("p95<=50ms")])
    assert [(step.users, step.requests, step.seconds) for step in report.steps] == [
        (5, 80, 8.0),
        (10, 96, 8.0),
    ]
    assert (report.last.rate, report.last.percentile(0.99), report.knee) == (12.0, 40.0, 5)
    assert report.passed
    body = report.to_json()
    assert (body["p50_ms"], body["rate"], body["knee"], body["passed"]) == (40.0, 12.0, 5, True)


@pytest.mark.parametrize(
    "objective", ["p50<=39ms", "p99 <= 0.039s", "rate>=13/s", "failures<=0.9%"]
)
def test_an_objective_can_be_missed(objective: str) -> None:
    failed = [*RECORDS[:-1], request(119.0, 1.0, "503"), ["end", 120.0]]
    assert build_load_report("", failed, [read_objective(objective)]).missed == [objective]


def test_a_failure_counts_also_while_a_step_settles() -> None:
    records = [*RECORDS[:-1], request(110.5, 1.0, "refused"), ["end", 120.0]]
    report = build_load_report("", records, [read_objective("failures<=0%")])
    assert (report.last.failures, report.faults) == (1, {"GET /: refused": 1})
    assert not report.passed


def test_nothing_holds_without_a_request() -> None:
    objectives = [read_objective("failures<=0%"), read_objective("p95<=9s")]
    assert len(build_load_report("", [], objectives).missed) == 2
    report = build_load_report("", [["step", 1.0, 5], ["end", 9.0]], objectives)
    assert len(report.missed) == 2
    assert report.to_json()["p95_ms"] is None
    assert math.isnan(report.last.percentile(0.5))


@pytest.mark.parametrize(
    "text", ["p95", "p90<=1ms", "p95>=1ms", "rate<=3", "failures<=3ms", "p95<=1%", "p95<=x"]
)
def test_a_malformed_objective_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no objective"):
        read_objective(text)


@pytest.mark.parametrize(
    ("rates", "knee"),
    [
        ([10, 20, 40, 80], None),
        ([10, 20, 40, 45], 4),
        ([10, 20, 19, 80], 2),
        ([10], None),
        ([0, 20], None),
    ],
)
def test_the_knee_is_where_the_rate_stops_to_follow(rates: list[int], knee: int | None) -> None:
    steps = [StepResult(2**at, 1.0, [1.0] * rate) for at, rate in enumerate(rates)]
    assert find_knee(steps) == knee


def test_the_users_grow_in_steps_that_fill_the_time() -> None:
    assert plan_steps(50, 80.0) == [(6, 10.0), (12, 10.0), (25, 10.0), (50, 50.0)]
    assert plan_steps(1, 8.0) == [(1, 8.0)]
    assert sum(seconds for _, seconds in plan_steps(3, 16.0)) == 16.0
    assert plan_steps(50, 15.0) == [(50, 15.0)]


def test_the_mixes_are_those_of_the_original_systems() -> None:
    shares = {
        name: [(task.method, task.path, task.weight) for task in recipe_mix(name).tasks]
        for name in ("lucky", "plants", "coffee", "sentiment")
    }
    assert shares == {
        "lucky": [("GET", "/docs", 1), ("POST", "/ask_model/?question=Is+AI+cool%3F", 2)],
        "plants": [("GET", "/", 3), ("POST", "/predict-random", 2)],
        "coffee": [("GET", "/health", 3), ("GET", "/info", 2), ("POST", "/predict", 1)],
        "sentiment": [("GET", "/", 1), ("POST", "/predict", 3)],
    }
    with pytest.raises(UsageError, match="No users are known"):
        recipe_mix("cora")


def test_the_leaf_of_the_mix_is_an_image() -> None:
    from tidemill.codecs.image import ImageCodec, ImageConfig

    body = recipe_mix("coffee").tasks[2].bodies[0]
    png = body.partition(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0]
    codec = ImageCodec(ImageConfig(width=8, height=8, mean=(0, 0, 0), std=(1, 1, 1)))
    decoded = codec.decode(png)
    assert decoded.size == (100, 100)
    assert decoded.pixels[4, 4].tolist() == [0, 128, 0]


def test_files_become_forms(tmp_path: Any) -> None:
    file = tmp_path / "a b.txt"
    file.write_bytes(b"text")
    [task] = payload_mix([file]).tasks
    body, headers = upload("a b.txt", b"text")
    assert task == LoadTask("POST", "/v1/predict", 1, [body], headers)
    with pytest.raises(DataError, match="cannot be read"):
        payload_mix([tmp_path / "none"])
