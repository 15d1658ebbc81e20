"""What a second worker brings: `python -m bench.workers`.

One worker that is pinned to one processor, and two workers on two, are measured in turn with the
same requests. The leaves are enlarged, so that the client's own work counts little.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from PIL import Image

from bench.command import run
from bench.figure import bars
from bench.record import Record
from bench.serving import alternate
from bench.workspace import Served, leaves, served
from tidemill.adapters.child_process import ServerProcess
from tidemill.domain.errors import Unavailable
from tidemill.testing.load import run_load
from tidemill.testing.load_client import LoadPlan
from tidemill.testing.processes import require_ready

ONE, TWO = "one worker, one processor", "two workers, two processors"
GAIN = 1.7
SIDE = 768


def measure(
    *,
    home: Annotated[Path, typer.Option(help="A workspace; trained when needed.")] = Path(
        ".tidemill"
    ),
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured.")] = 5,
    requests: Annotated[int, typer.Option(min=1, help="Requests per round.")] = 1_000,
    users: Annotated[int, typer.Option(min=2, help="Closed-loop users.")] = 16,
) -> int:
    """Measure the throughput of one worker and of two."""
    processors = _processors()
    record = Record("workers")
    with served(home) as workspace, ExitStack() as stack:
        images = [enlarge(Path(name), workspace.home) for name in leaves(home, 32)]
        plan = LoadPlan("", "multipart", users, requests, 20, images)
        one = stack.enter_context(_server(workspace, 1, processors[:1]))
        two = stack.enter_context(_server(workspace, 2, processors[:2]))
        cases = {
            ONE: lambda: run_load(replace(plan, url=one)),
            TWO: lambda: run_load(replace(plan, url=two)),
        }
        results = alternate(cases, rounds)
    rates = {name: [each.rate for each in rows] for name, rows in results.items()}
    for name, rows in rates.items():
        record.row(case=name, per_s=median(rows), per_s_low=min(rows), per_s_high=max(rows))
    gain = median(many / single for many, single in zip(rates[TWO], rates[ONE], strict=True))
    record.goal(
        "two_workers",
        f"two workers answer at least {GAIN} times as many requests per second as one",
        gain,
        met=gain >= GAIN,
    )
    errors = sum(each.errors for rows in results.values() for each in rows)
    record.goal("no_errors", "no request fails", errors, met=errors == 0)
    means = {name: median(rows) for name, rows in rates.items()}
    return record.finish(bars(means, title="Workers", unit="requests per second"))


def enlarge(leaf: Path, folder: Path) -> str:
    """Write the leaf as a large JPEG into the folder, and return its name."""
    content = io.BytesIO()
    with Image.open(leaf) as image:
        image.convert("RGB").resize((SIDE, SIDE)).save(content, "JPEG", quality=90)
    large = folder / f"{leaf.stem}.jpg"
    large.write_bytes(content.getvalue())
    return str(large)


@contextmanager
def _server(workspace: Served, workers: int, processors: list[int]) -> Iterator[str]:
    """The address of a ready server on these processors alone."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        process = ServerProcess(workspace.home, settings={"TIDEMILL_WORKERS": str(workers)})
    finally:
        os.sched_setaffinity(0, own)
    with process:
        require_ready(process.url)
        yield process.url


def _processors() -> list[int]:
    if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        raise Unavailable("This needs Linux and two processors.")
    return sorted(os.sched_getaffinity(0))


if __name__ == "__main__":
    run(measure)
