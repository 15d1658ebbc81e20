"""Real coffee leaves, from a folder to a judged model: `python -m bench.coffee`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import typer

from bench import real
from bench.command import run
from bench.picture import bars
from bench.record import Record
from bench.train import Overrides, train
from tidemill.domain.errors import UsageError

ACCURACY = 0.82
SECONDS = 240.0


def measure(
    overrides: Overrides = None,
    *,
    seeds: Annotated[str, typer.Option(help="Seeds, with commas between them.")] = "0,1,2",
) -> int:
    """Train on the leaves in TIDEMILL_REAL_DATA/coffee once per seed, each in a new workspace."""
    chosen = _seeds(seeds)
    folder = real.folder(real.LEAVES)
    record = Record("coffee")
    for seed in chosen:
        words = ("data=folder", f"data.path={folder}", f"seed={seed}", *(overrides or []))
        with tempfile.TemporaryDirectory(prefix="bench-coffee-") as home:
            trained = train(Path(home), *words)
        val, test = trained.metrics["val"], trained.metrics["test"]
        record.row(
            seed=str(seed),
            val_accuracy=val["accuracy"],
            test_accuracy=test["accuracy"],
            test_macro_f1=test["macro_f1"],
            seconds=trained.seconds,
            overrides=" ".join(overrides or []),
        )
    runs = list(record.rows)
    for name, pick in (("mean", mean), ("minimum", min), ("maximum", max)):
        record.row(seed=name, **{key: pick([row[key] for row in runs]) for key in _figures(runs)})
    _judge(record, runs)
    reached = {f"seed {row['seed']}": row["test_accuracy"] for row in runs}
    title = "Coffee leaves, accuracy on the test split"
    return record.finish(bars(reached, title=title, unit="share right", goal=ACCURACY))


def _judge(record: Record, runs: list[dict[str, Any]]) -> None:
    accuracy = mean(row["test_accuracy"] for row in runs)
    record.goal(
        "coffee_mean",
        f"mean test accuracy is at least {ACCURACY}",
        accuracy,
        met=accuracy >= ACCURACY,
    )
    longest = max(row["seconds"] for row in runs)
    record.goal(
        "coffee_seconds",
        f"every run takes at most {SECONDS:g} s",
        longest,
        met=longest <= SECONDS,
    )


def _figures(runs: list[dict[str, Any]]) -> list[str]:
    return [name for name, value in runs[0].items() if isinstance(value, float)]


def _seeds(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(
            f"--seeds does not fit: {text!r}.", hint="Numbers with commas: 0,1,2"
        ) from error


if __name__ == "__main__":
    run(measure)
