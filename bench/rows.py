"""Trains every row of a table on the real data, as anybody would type it, and judges each.

One goal for each thing that is asked of a row, under an id that never changes; a row that did not
run, or did not come to its end, has missed all of its goals.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from bench import real
from bench.figure import bars
from bench.latency import measure_latency
from bench.record import OUT, Record
from bench.row import Row
from bench.train import Trained, train
from bench.watcher import Watcher
from tidemill.bundle import EVALUATION
from tidemill.data.snapshots import SnapshotStore
from tidemill.domain.errors import TidemillError, UsageError
from tidemill.domain.types import Example
from tidemill.evaluation.evaluation import Evaluation
from tidemill.screen import say

QUIET = 1
"""Windows of 20 that may raise a false alarm."""


@dataclass(frozen=True, slots=True)
class Run:
    """One training of a row: its seed and what the test split gave, per target."""

    seed: int
    trained: Trained
    scores: Mapping[str, Mapping[str, Any]]

    def accuracy(self, target: str) -> float:
        """Of one target; of the only one where none is named."""
        (name,) = [target] if target else self.scores
        return float(self.scores[name]["test"]["accuracy"])


def measure_rows(
    name: str, title: str, rows: Sequence[Row], only: Sequence[str] | None, *, out: Path = OUT
) -> int:
    """Train the rows called `only`, or all, and write the record `name`.

    Returns the exit status. Raises UsageError for an unknown row, Unavailable without real data.
    """
    wanted = set(only or [row.id for row in rows])
    if unknown := wanted - {row.id for row in rows}:
        known = ", ".join(row.id for row in rows)
        raise UsageError(f"No row is called {', '.join(sorted(unknown))}.", hint=f"Rows: {known}.")
    place = real.root()
    record = Record(name, out=out)
    reached: dict[str, float] = {}
    for row in rows:
        runs = _runs(record, row, place) if row.id in wanted else []
        _judge(record, row, runs)
        if runs:
            reached[row.id] = mean(run.accuracy(row.target) for run in runs)
    return record.finish(bars(reached, title=title, unit="share right"))


def _runs(record: Record, row: Row, place: Path) -> list[Run]:
    """Every seed's run, or none when one of them did not come to its end."""
    runs, before = [], len(record.goals)
    for seed in row.seeds:
        words = [word.format(real=place, seed=seed) for word in row.overrides]
        words += [f"model={row.model}", f"seed={seed}"]
        first = seed == row.seeds[0]
        with tempfile.TemporaryDirectory(prefix="bench-rows-") as folder:
            home = Path(folder)
            try:
                promote = ["--promote"] if row.served and first else []
                runs.append(_run(row, seed, home, [*words, *promote]))
                _keep(record, row, runs[-1])
                if first:
                    _look(record, row, runs[-1].trained, home, place)
            except TidemillError as error:
                say(f"{row.id}, seed {seed}: {error.message}")
                del record.goals[before:]
                return []
    return runs


def _run(row: Row, seed: int, home: Path, words: Sequence[str]) -> Run:
    trained = train(home, *words, recipe=row.recipe)
    evaluation = Evaluation.from_bytes((trained.bundle / EVALUATION).read_bytes())
    return Run(seed, trained, evaluation.figures["targets"])


def _keep(record: Record, row: Row, run: Run) -> None:
    figures: dict[str, float] = {}
    for target, splits in run.scores.items():
        of = f" of {target}" if len(run.scores) > 1 else ""
        test = splits["test"]
        figures |= {
            f"test accuracy{of}": test["accuracy"],
            f"test macro-F1{of}": test["macro_f1"],
            f"val accuracy{of}": splits["val"]["accuracy"],
            f"calibration error{of}": test["ece"],
            f"calibration error before scaling{of}": test["ece_unscaled"],
        }
        if len(test["sources"]) > 1:
            for name, source in test["sources"].items():
                figures[f"test accuracy of {name} ({source['examples']})"] = source["accuracy"]
    bundle = run.trained.bundle
    figures["bundle MB"] = sum(file.stat().st_size for file in bundle.iterdir()) / 1e6
    for metric, value in figures.items():
        record.row(
            **_columns(row),
            seed=str(run.seed),
            metric=metric,
            value=value,
            seconds=run.trained.seconds,
        )
    say(f"{row.id}, seed {run.seed}: {run.accuracy(row.target):.4f} in {run.trained.seconds:.0f} s")


def _columns(row: Row) -> dict[str, Any]:
    return {
        "row": row.id,
        "recipe": row.recipe,
        "data": row.data,
        "model": row.model,
        "split": row.split,
    }


def _look(record: Record, row: Row, trained: Trained, home: Path, place: Path) -> None:
    """What only one model of a row is asked: drift, and how long an answer takes."""
    store = SnapshotStore(home / "snapshots")
    (snapshot,) = store.list()
    opened = store.open(snapshot)
    test: list[Example] = list(opened.rows("test"))
    learnt = sum(1 for example in opened.rows("train", payloads=False) if example.labels)
    evaluation = Evaluation.from_bytes((trained.bundle / EVALUATION).read_bytes())
    rate = learnt * len(evaluation.figures["history"]) / trained.seconds
    record.row(**_columns(row), metric="samples/s, the whole command", value=rate)
    if row.served:
        figures = measure_latency(home, [example.payload for example in test])
        record.row(**_columns(row), metric="answer p50 ms, 1 user", value=figures.p50)
        record.row(**_columns(row), metric="answer p99 ms, 1 user", value=figures.p99)
    if row.shifts:
        _drift(record, row, Watcher(trained.bundle), [one.payload for one in test], place)


def _drift(record: Record, row: Row, watcher: Watcher, test: Sequence[bytes], place: Path) -> None:
    for shift in row.shifts:
        noticed = watcher.noticed(shift.payloads(place, test), shift.within)
        value = "never" if noticed is None else noticed
        record.row(**_columns(row), metric=f"noticed after, {shift.name}", value=value)
        record.goal(
            f"drift_{row.id}_{shift.name}",
            f"{shift.name} is noticed within {shift.within} predictions",
            value,
            met=noticed is not None,
        )
    quiet = watcher.quiet(test)
    metric = f"alarms in {quiet.windows} windows of its own {quiet.distinct} distinct payloads"
    record.row(**_columns(row), metric=metric, value=quiet.alarms)
    record.goal(
        f"quiet_{row.id}",
        f"at most {QUIET} of {quiet.windows} windows of own held-out payloads raise an alarm",
        quiet.alarms,
        met=quiet.alarms <= QUIET,
    )


def _judge(record: Record, row: Row, runs: Sequence[Run]) -> None:
    """One goal for each row, whether it ran or not; a row without a bound must have run."""
    shown = f"{row.model} on {row.data}: "
    if not runs:
        for id in row.goals:
            record.goal(id, f"{shown}it runs", "missing", met=False)
        return
    accuracies = [run.accuracy(row.target) for run in runs]
    value = f"{mean(accuracies):.4f}, minimum {min(accuracies):.4f}"
    bound = f"mean accuracy at least {row.accuracy}" if row.accuracy else "reported"
    met = row.accuracy is None or mean(accuracies) >= row.accuracy
    record.goal(row.id, shown + bound, value, met=met)
    if row.seconds is not None:
        slowest = max(run.trained.seconds for run in runs)
        record.goal(
            f"{row.id}_seconds",
            f"{shown}a run takes at most {row.seconds:g} s",
            slowest,
            met=slowest <= row.seconds,
        )
