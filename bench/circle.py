"""The full circle on real coffee leaves: `python -m bench.circle`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from matplotlib.figure import Figure

from bench import real
from bench.command import run
from bench.figure import BAR, GOAL, MARK
from bench.record import OUT, Record
from bench.train import Overrides, train
from bench.turning import Turn, turn
from tidemill.domain.drift import DriftVerdict
from tidemill.loop.drift import DriftPolicy, sentence
from tidemill.settings import read_settings
from tidemill.workspace.root import open_workspace

LOSS = 0.06
"""What accuracy may lose on test; the gate's margin for a folder of images."""


def measure(
    overrides: Overrides = None,
    *,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = OUT,
) -> int:
    """Turn the mill once on the leaves in TIDEMILL_REAL_DATA/coffee and .../coffee_symptom."""
    leaves, crops = real.folder(real.LEAVES), real.crops(real.folder(real.CROPS))
    record = Record("circle", out=out)
    words = ("data=folder", f"data.path={leaves}", *(overrides or []), "--promote")
    with tempfile.TemporaryDirectory(prefix="bench-circle-") as folder:
        trained = train(Path(folder), *words)
        workspace = open_workspace(read_settings(home=Path(folder)))
        found = turn(workspace, crops)
        workspace.ledger.close()
    if overrides:
        record.row(what="overrides", value=" ".join(overrides))
    record.row(what="training of the champion, s", value=trained.seconds)
    tell(record, found)
    judge(record, found)
    return record.finish(image(found))


def tell(record: Record, found: Turn) -> None:
    """One row for each figure."""
    for name, verdicts in (("own", found.own), ("other", found.other)):
        for number, verdict in enumerate(verdicts, start=1):
            said = f"{'drift' if verdict.drifted else 'no drift'}: {sentence(verdict)}"
            record.row(what=f"{name} camera, window {number}", value=said)
    record.row(what="detection delay, predictions", value=found.delay)
    if found.alarm:
        record.row(what="features drifted", value=drifted(found.alarm))
    record.row(what="labels taught", value=found.taught)
    for name, both in found.sets.items():
        record.row(what=f"{name}, images", value=len(both.champion))
        record.row(what=f"{name}, accuracy of the champion", value=float(both.champion.mean()))
        record.row(what=f"{name}, accuracy of the challenger", value=float(both.challenger.mean()))
        bound = both.bound(found.policy.confidence)
        record.row(what=f"{name}, gained at least", value=bound)
    record.row(what="cycle began", value=found.cycle.cause)
    record.row(what="cycle ended", value=f"{found.cycle.state}: {found.cycle.reason}")
    for check in found.checks:
        record.row(
            what=f"gate, {check.name}",
            value=f"{'passed' if check.passed else 'FAILED'}: {check.reason}",
        )
    for name, seconds in found.seconds.items():
        record.row(what=f"{name}, s", value=seconds)


def judge(record: Record, found: Turn) -> None:
    """The goals."""
    alarms = sum(verdict.drifted for verdict in found.own)
    record.goal(
        "circle_quiet",
        f"none of {len(found.own)} windows of its own camera's held-out images has an alarm",
        alarms,
        met=alarms == 0,
    )
    delay = found.delay
    record.goal(
        "circle_drift",
        f"drift is noticed within {found.close_ups} predictions on another camera's",
        "not noticed" if delay is None else delay,
        met=delay is not None,
    )
    record.goal(
        "circle_reason",
        "what was promoted is better on close-ups held back, what was refused is not shown to be "
        "better on fresh, or loses more on test than the gate allows",
        outcome(found),
        met=borne_out(found),
    )
    loss = -found.sets["test"].gain if found.promoted else 0.0
    record.goal(
        "circle_test",
        f"whoever is champion in the end loses at most {LOSS} on test",
        loss,
        met=loss <= LOSS,
    )


def drifted(verdict: DriftVerdict) -> str:
    """The features that drifted, what moved most first."""
    rows = sorted((row for row in verdict.features if row.drifted), key=lambda row: -row.psi)
    return ", ".join(f"{row.feature} {row.psi:.2f}" for row in rows)


def borne_out(found: Turn) -> bool:
    """Do the figures, computed here once more, bear out what the cycle came to?

    Anything but a promotion and a refusal by the gate is no end that says why.
    """
    failed = [check for check in found.checks if not check.passed]
    if found.promoted:
        return found.cycle.state == "settled" and found.sets["held back"].gain > 0
    if found.cycle.state != "refused" or not failed:
        return False
    bounds = {name: both.bound(found.policy.confidence) for name, both in found.sets.items()}
    return bounds.get("fresh", 1.0) <= 0 or bounds["test"] < -found.policy.margin


def outcome(found: Turn) -> str:
    """Where the cycle ended, and the figure that tells whether that was right."""
    if not found.sets:
        return found.cycle.state
    gains = (f"{name} {both.gain:+.3f}" for name, both in found.sets.items())
    return f"{found.cycle.state}; {', '.join(gains)}"


def image(found: Turn) -> Figure:
    """What moved in the first window that drifted, and how often both models are right."""
    figure = Figure(figsize=(11, 4.4), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    verdict = found.alarm or found.other[0]
    names = [row.feature for row in verdict.features]
    left.barh(names, [row.psi for row in verdict.features], color=BAR)
    left.axvline(DriftPolicy().psi, color=GOAL, linestyle="--")
    left.invert_yaxis()
    left.set_xlabel("PSI")
    left.set_title(f"{verdict.n} predictions on another camera's images", fontsize=11)
    places = np.arange(len(found.sets))
    both = {
        "champion": (MARK, [row.champion.mean() for row in found.sets.values()]),
        "challenger": (BAR, [row.challenger.mean() for row in found.sets.values()]),
    }
    for shift, (name, (colour, shares)) in zip((-0.2, 0.2), both.items(), strict=True):
        drawn = right.bar(places + shift, shares, width=0.4, color=colour, label=name)
        right.bar_label(drawn, fmt="%.2f", padding=2)
    right.set_xticks(places, list(found.sets))
    right.set(ylim=(0, 1.2), ylabel="share right")
    right.set_title(f"the cycle: {found.cycle.state}", fontsize=11)
    right.legend(frameon=False, loc="upper center", ncols=2)
    return figure


if __name__ == "__main__":
    run(measure)
