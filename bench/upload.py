"""A whole graph sent to `POST /test/`, beside the original's way: `python -m bench.upload`.

Ours is a real server asked over HTTP, which parses, answers and keeps every answer. Theirs is
called as a function in this process, without HTTP and without a log, which favours it. The two take
turns.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Annotated

import httpx
import torch
import typer

from bench import real
from bench.command import run
from bench.dense_attention import DenseAttention, answer
from bench.figure import bars
from bench.record import Record
from bench.train import train
from tidemill.adapters.child_process import ServerProcess
from tidemill.testing.load import percentile
from tidemill.testing.processes import require_ready

P50_MS = 250.0
TIMES = 20.0
EACH = 10
"""Of our requests for each of theirs, which takes seconds."""


def measure(
    turns: Annotated[int, typer.Option(min=1, help="How often each way takes its turn.")] = 4,
) -> int:
    """Upload the graph in TIDEMILL_REAL_DATA/cora again and again."""
    folder = real.folder("cora")
    content, cites = ((folder / f"cora.{kind}").read_bytes() for kind in ("content", "cites"))
    features = len(content.partition(b"\n")[0].split()) - 2
    weights = DenseAttention(features).state_dict()
    torch.set_num_threads(2)
    ours: list[float] = []
    theirs: list[float] = []
    with tempfile.TemporaryDirectory(prefix="bench-upload-") as home:
        words = ("data=files", f"data.path={folder}", "--promote")
        train(Path(home), *words, recipe="cora")
        with (
            ServerProcess(Path(home)) as process,
            httpx.Client(timeout=60, trust_env=False) as client,
        ):
            require_ready(process.url)

            def upload() -> int:
                files = {"data1": content, "data2": cites}
                response = client.post(f"{process.url}/test/", files=files).raise_for_status()
                return len(response.json())

            nodes = upload()
            for _ in range(turns):
                ours += [_ms(upload) for _ in range(EACH)]
                theirs.append(_ms(lambda: len(answer(content, cites, weights))))
    record = Record("upload")
    p50, rest = percentile(ours, 0.5), median(theirs)
    for name, times in (("ours, over HTTP", ours), ("the original's, in process", theirs)):
        record.row(
            way=name, nodes=nodes, requests=len(times), p50_ms=median(times), most_ms=max(times)
        )
    record.goal(
        "upload_p50",
        f"p50 of a whole Cora at 1 user is at most {P50_MS:g} ms",
        p50,
        met=p50 <= P50_MS,
    )
    record.goal(
        "upload_ratio",
        f"it is at least {TIMES:g} times as fast as the original's way",
        rest / p50,
        met=rest / p50 >= TIMES,
    )
    shown = {"ours, over HTTP": p50, "the original's, in process": rest}
    return record.finish(bars(shown, title="A whole Cora, p50", unit="ms"))


def _ms(ask: Callable[[], int]) -> float:
    began = time.perf_counter()
    ask()
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    run(measure)
