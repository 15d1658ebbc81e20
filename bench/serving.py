"""What HTTP, proofs and the traffic log cost on top of the model: `python -m bench.serving`.

Every case is measured in every round, forwards and backwards in turn, so that whatever else the
machine does falls on all of them. Goals are ratios within a round, never milliseconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Annotated

import httpx
import typer
from matplotlib.figure import Figure

from bench.command import run
from bench.figure import BAR, GOAL, MARK
from bench.record import Record
from bench.workspace import Served, leaves, served
from tidemill.adapters.child_process import ServerProcess
from tidemill.bundle import TOLERANCE
from tidemill.predictor import Predictor
from tidemill.testing.load import LoadResult, percentile, run_load
from tidemill.testing.load_client import LoadPlan
from tidemill.testing.processes import require_ready

BARE, ONE, EIGHT, JSON, LIVE = "bare loop", "1 user", "8 users", "1 user, JSON", "/v1/live"
IMAGES = 200
COMPARED = 50
TIMES = 8.0
FLAT = 1.3

Rounds = Mapping[str, Sequence[LoadResult]]


def measure(
    *,
    home: Annotated[Path, typer.Option(help="A workspace; trained when needed.")] = Path(
        ".tidemill"
    ),
    rounds: Annotated[int, typer.Option(min=1, help="How often every case is measured.")] = 9,
    requests: Annotated[int, typer.Option(min=1, help="Requests per case and round.")] = 400,
    warmup: Annotated[int, typer.Option(help="Requests per user that do not count.")] = 30,
    flat: Annotated[int, typer.Option(min=8, help="Requests while the log grows.")] = 5000,
) -> int:
    """Measure latency and throughput of predictions on painted leaves, against the bare model."""
    record = Record("serving")
    with served(home) as workspace:
        images = leaves(home, IMAGES)
        predictor = workspace.predictor()
        payloads = [Path(name).read_bytes() for name in images]
        plan = LoadPlan("", "multipart", 1, requests, warmup, images)
        with server(workspace) as url:
            differing = compare(predictor, url, payloads[:COMPARED])
            cases = _cases(predictor, payloads, replace(plan, url=url))
            results = alternate(cases, rounds)
        with server(workspace) as url:  # another one, because its log is empty
            long = run_load(replace(plan, url=url, requests=flat))
    _tell(record, results)
    _judge(record, results, long, differing)
    return record.finish(_image(results, long))


@contextmanager
def server(workspace: Served) -> Iterator[str]:
    """The address of a ready server process, which ends with the block."""
    with ServerProcess(workspace.home) as process:
        require_ready(process.url)
        yield process.url


def bare(predictor: Predictor, payloads: Sequence[bytes], requests: int, warmup: int) -> LoadResult:
    """The same work without a server: decode, measure, run, name, put into the bins of the
    reference. One payload at a time, nothing kept."""
    for number in range(warmup):
        predictor.predict_with_bins([predictor.preprocess(payloads[number % len(payloads)])])
    ms = []
    started = time.perf_counter()
    for number in range(requests):
        began = time.perf_counter()
        predictor.predict_with_bins([predictor.preprocess(payloads[number % len(payloads)])])
        ms.append((time.perf_counter() - began) * 1000)
    return LoadResult(time.perf_counter() - started, ms, {})


def alternate(
    cases: Mapping[str, Callable[[], LoadResult]], rounds: int
) -> dict[str, list[LoadResult]]:
    """Measure every case once per round, every other round in the opposite order."""
    results: dict[str, list[LoadResult]] = {name: [] for name in cases}
    for number in range(rounds):
        for name in list(cases)[:: -1 if number % 2 else 1]:
            results[name].append(cases[name]())
    return results


def compare(predictor: Predictor, url: str, payloads: Sequence[bytes]) -> int:
    """How many payloads the server answers otherwise than the bare model. Should be none."""
    differing = 0
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        for payload in payloads:
            response = client.post("/v1/predict", files={"file": payload}).raise_for_status()
            row = response.json()["predictions"][0]
            (((answer, *_), _bins),) = predictor.predict_with_bins([predictor.preprocess(payload)])
            near = abs(row["confidence"] - answer.confidence) <= TOLERANCE
            differing += not (near and row["label"] == answer.label)
    return differing


def quarters(ms: Sequence[float]) -> tuple[float, float]:
    """The median of the first quarter and that of the last."""
    size = len(ms) // 4
    return percentile(ms[:size], 0.5), percentile(ms[-size:], 0.5)


def _cases(
    predictor: Predictor, payloads: Sequence[bytes], plan: LoadPlan
) -> dict[str, Callable[[], LoadResult]]:
    return {
        BARE: lambda: bare(predictor, payloads, plan.requests, plan.warmup),
        LIVE: lambda: run_load(replace(plan, form="live")),
        ONE: lambda: run_load(plan),
        JSON: lambda: run_load(replace(plan, form="json")),
        EIGHT: lambda: run_load(replace(plan, users=8)),
    }


def _tell(record: Record, results: Rounds) -> None:
    for name, rounds in results.items():
        p50 = [one.p50 for one in rounds]
        rate = [one.rate for one in rounds]
        record.row(
            case=name,
            rounds=len(rounds),
            requests=len(rounds[0].ms),
            per_s=median(rate),
            per_s_low=min(rate),
            per_s_high=max(rate),
            p50_ms=median(p50),
            p50_low_ms=min(p50),
            p50_high_ms=max(p50),
            p99_ms=median(one.p99 for one in rounds),
            errors=sum(one.errors for one in rounds),
            rate_x_bare=_ratio(results, name, lambda one, loop: one.rate / loop.rate),
            p50_x_bare=_ratio(results, name, lambda one, loop: one.p50 / loop.p50),
        )


def _ratio(results: Rounds, name: str, ratio: Callable[[LoadResult, LoadResult], float]) -> float:
    """The median over the rounds of a ratio to the bare loop of the same round."""
    return median(map(ratio, results[name], results[BARE]))


def _judge(record: Record, results: Rounds, long: LoadResult, differing: int) -> None:
    over = median(one.p50 / live.p50 for one, live in zip(results[ONE], results[LIVE], strict=True))
    record.goal(
        "predict_1_user",
        f"p50 at 1 user is at most {TIMES:g} times that of a request that does nothing (/v1/live)",
        over,
        met=over <= TIMES,
    )
    gain = median(
        many.rate / one.rate for many, one in zip(results[EIGHT], results[ONE], strict=True)
    )
    record.goal(
        "throughput_8", "requests/s at 8 users are at least those at 1 user", gain, met=gain >= 1
    )
    first, last = quarters(long.ms)
    for name, p50 in (("first", first), ("last", last)):
        record.row(case=f"{name} quarter of {len(long.ms)}", requests=len(long.ms) // 4, p50_ms=p50)
    record.goal(
        "flat",
        f"p50 of the last quarter of {len(long.ms)} requests is at most {FLAT} times the first's",
        last / first,
        met=last / first <= FLAT,
    )
    errors = long.errors + sum(one.errors for rounds in results.values() for one in rounds)
    record.goal("no_errors", "no request fails", errors, met=errors == 0)
    record.goal(
        "same_answers",
        f"of {COMPARED} leaves the server answers none otherwise than the bare loop",
        differing,
        met=differing == 0,
    )


def _image(results: Rounds, long: LoadResult) -> Figure:
    figure = Figure(figsize=(11, 4), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    names = list(results)
    p50 = [median(one.p50 for one in results[name]) for name in names]
    left.barh(names, p50, color=BAR, label="p50")
    left.plot([median(one.p99 for one in results[name]) for name in names], names, "o", color=GOAL)
    left.plot([], [], "o", color=GOAL, label="p99")
    left.invert_yaxis()
    left.set(xlabel="ms", xlim=(0, None))
    left.set_title("one request, medians over the rounds", fontsize=11)
    left.legend(frameon=False)
    each = iter(long.ms)
    step = max(1, len(long.ms) // 50)
    parts = list(iter(lambda: list(islice(each, step)), []))
    right.plot(
        [step * at for at in range(len(parts))], [percentile(p, 0.5) for p in parts], color=MARK
    )
    right.set(xlabel="answers in the log", ylabel="p50, ms", ylim=(0, None))
    right.set_title("while the log grows, 1 user", fontsize=11)
    return figure


if __name__ == "__main__":
    run(measure)
