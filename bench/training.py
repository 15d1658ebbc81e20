"""Painted leaves, painted and learned: `python -m bench.training`."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from bench.command import run
from bench.figure import bars
from bench.record import Record
from bench.train import Overrides, train
from bench.workspace import painting

SECONDS = 20.0


def measure(
    overrides: Overrides = None,
    *,
    runs: Annotated[int, typer.Option(min=1, help="How often to train.")] = 3,
) -> int:
    """Paint the sample once, then time the whole training command, each in a new workspace."""
    record = Record("training")
    with tempfile.TemporaryDirectory(prefix="bench-training-") as folder:
        samples = Path(folder) / "samples"
        started = time.perf_counter()
        painting(samples).prepare(lambda _done, _all: None)
        record.row(what="painting", seconds=time.perf_counter() - started)
        for number in range(runs):
            trained = train(Path(folder) / str(number), *(overrides or []), samples=samples)
            record.row(
                what=f"training {number + 1}",
                seconds=trained.seconds,
                test_accuracy=trained.metrics["test"]["accuracy"],
                overrides=" ".join(overrides or []),
            )
    seconds = median(row["seconds"] for row in record.rows[1:])
    record.goal(
        "sample_training",
        f"the whole command, leaves painted before, takes at most {SECONDS:g} s (median)",
        seconds,
        met=seconds <= SECONDS,
    )
    taken = {row["what"]: row["seconds"] for row in record.rows}
    return record.finish(bars(taken, title="Painted leaves", unit="seconds", goal=SECONDS))


if __name__ == "__main__":
    run(measure)
