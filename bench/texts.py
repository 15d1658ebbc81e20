"""Every row of the table on real texts: `python -m bench.texts`; about 45 minutes.

Each run is a `tidemill train` in a new workspace, as anybody would type it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import typer

from bench import real
from bench.command import run
from bench.picture import bars
from bench.record import Record
from bench.text_drift import WITHIN, Watcher, texts
from bench.text_rows import ROWS, Row
from bench.train import Trained, train
from tidemill.cli.screen import say
from tidemill.data.snapshots import SnapshotStore
from tidemill.domain.errors import TidemillError, UsageError

QUIET = 1
"""Windows of 20 that may raise a false alarm."""


def measure(
    only: Annotated[
        list[str] | None, typer.Argument(help="Rows by id; the others count as unmet.")
    ] = None,
) -> int:
    """Train on the texts in TIDEMILL_REAL_DATA, once per row and seed, and judge every row."""
    wanted = set(only or [row.id for row in ROWS])
    if unknown := wanted - {row.id for row in ROWS}:
        known = ", ".join(row.id for row in ROWS)
        raise UsageError(f"No row is called {', '.join(sorted(unknown))}.", hint=f"Rows: {known}.")
    place = real.root()
    record = Record("real")
    reached: dict[str, float] = {}
    for row in ROWS:
        found = _row(record, row, place) if row.id in wanted else []
        _judge(record, row, found)
        if found:
            reached[row.id] = mean(one.metrics["test"]["accuracy"] for one in found)
    title = "Real texts, accuracy on the test split, mean of the seeds"
    return record.finish(bars(reached, title=title, unit="share right"))


def _row(record: Record, row: Row, place: Path) -> list[Trained]:
    found = []
    for seed in row.seeds:
        words = [word.format(real=place, seed=seed) for word in row.overrides]
        with tempfile.TemporaryDirectory(prefix="bench-texts-") as folder:
            try:
                home = Path(folder)
                words += [f"model={row.model}", f"seed={seed}"]
                trained = train(home, *words, recipe=row.recipe)
            except TidemillError as error:
                say(f"{row.id}, seed {seed}: {error.message}")
                return []
            found.append(trained)
            _keep(record, row, seed, trained)
            if seed == 0 and row.shifted:
                _drift(record, row, trained, home, place)
    return found


def _keep(record: Record, row: Row, seed: int, trained: Trained) -> None:
    evaluation = json.loads((trained.bundle / "evaluation.json").read_bytes())
    (scores,) = (target["test"] for target in evaluation["targets"].values())
    figures = {
        "test accuracy": trained.metrics["test"]["accuracy"],
        "test macro-F1": trained.metrics["test"]["macro_f1"],
        "val accuracy": trained.metrics["val"]["accuracy"],
        "calibration error": scores["ece"],
        "calibration error before scaling": scores["ece_unscaled"],
        "bundle MB": sum(file.stat().st_size for file in trained.bundle.iterdir()) / 1e6,
    }
    if len(scores["sources"]) > 1:
        for name, source in scores["sources"].items():
            figures[f"test accuracy of {name} ({source['examples']})"] = source["accuracy"]
    for metric, value in figures.items():
        record.row(
            **_columns(row), seed=str(seed), metric=metric, value=value, seconds=trained.seconds
        )
    say(f"{row.id}, seed {seed}: {figures['test accuracy']:.4f} in {trained.seconds:.0f} s")


def _columns(row: Row) -> dict[str, Any]:
    return {
        "row": row.id,
        "recipe": row.recipe,
        "data": row.data,
        "model": row.model,
        "split": row.split,
    }


def _drift(record: Record, row: Row, trained: Trained, home: Path, place: Path) -> None:
    watcher = Watcher(trained.bundle)
    for file, column in row.shifted.items():
        noticed = watcher.noticed(texts(place / file, column))
        metric = f"noticed after, {Path(file).stem}"
        record.row(**_columns(row), metric=metric, value="never" if noticed is None else noticed)
        record.goal(
            f"drift_{row.id}_{Path(file).stem}",
            f"{Path(file).stem} is noticed within {WITHIN} predictions",
            "never" if noticed is None else noticed,
            met=noticed is not None,
        )
    store = SnapshotStore(home / "snapshots")
    (snapshot,) = store.list()
    quiet = watcher.quiet([example.payload for example in store.open(snapshot).rows("anchor")])
    metric = f"alarms in {quiet.windows} windows of its own {quiet.distinct} distinct texts"
    record.row(**_columns(row), metric=metric, value=quiet.alarms)
    record.goal(
        f"quiet_{row.id}",
        f"at most {QUIET} of {quiet.windows} windows of own held-out texts raise an alarm",
        quiet.alarms,
        met=quiet.alarms <= QUIET,
    )


def goals_of(row: Row) -> list[str]:
    """The ids of everything that is asked of a row."""
    stems = [Path(file).stem for file in row.shifted]
    drift = [f"drift_{row.id}_{stem}" for stem in stems]
    quiet = [f"quiet_{row.id}"] if row.shifted else []
    return [row.id, *([f"{row.id}_seconds"] if row.seconds else []), *drift, *quiet]


def _judge(record: Record, row: Row, found: Sequence[Trained]) -> None:
    """One goal for each row, whether it ran or not; a row without a bound must have run."""
    accuracies = [one.metrics["test"]["accuracy"] for one in found]
    shown = f"{row.model} on {row.data}: "
    if not accuracies:
        for id in goals_of(row):
            record.goal(id, f"{shown}it runs", "missing", met=False)
        return
    value = f"{mean(accuracies):.3f}, minimum {min(accuracies):.3f}"
    bound = f"mean accuracy at least {row.accuracy}" if row.accuracy else "reported"
    met = row.accuracy is None or mean(accuracies) >= row.accuracy
    record.goal(row.id, shown + bound, value, met=met)
    if row.seconds is not None:
        slowest = max(one.seconds for one in found)
        record.goal(
            f"{row.id}_seconds",
            f"{shown}a run takes at most {row.seconds:g} s",
            slowest,
            met=slowest <= row.seconds,
        )


if __name__ == "__main__":
    run(measure)
