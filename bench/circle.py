"""The whole loop on real coffee leaves: `python -m bench.circle`."""

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
from bench.loop_trial import LoopTrial, run_trial
from bench.record import OUT, Record
from bench.train import Overrides, train
from tidemill.domain.drift import DriftVerdict
from tidemill.loop.drift import DriftPolicy
from tidemill.workspace.workspace import Workspace

LOSS = 0.06
"""What accuracy may lose on test; the gate's margin for a folder of images."""


def measure(
    overrides: Overrides = None,
    *,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = OUT,
) -> int:
    """Run one cycle on the leaves in TIDEMILL_REAL_DATA/coffee and .../coffee_symptom."""
    leaves, crops = real.folder(real.LEAVES), real.crops(real.folder(real.CROPS))
    record = Record("circle", out=out)
    words = ("data=folder", f"data.path={leaves}", *(overrides or []), "--promote")
    with tempfile.TemporaryDirectory(prefix="bench-circle-") as folder:
        trained = train(Path(folder), *words)
        workspace = Workspace(Path(folder))
        trial = run_trial(workspace, crops)
        workspace.close()
    if overrides:
        record.row(what="overrides", value=" ".join(overrides))
    record.row(what="training of the champion, s", value=trained.seconds)
    write_rows(record, trial)
    judge_goals(record, trial)
    return record.finish(draw_trial(trial))


def write_rows(record: Record, trial: LoopTrial) -> None:
    """One row for each figure."""
    for name, verdicts in (("own", trial.same_camera), ("other", trial.other_camera)):
        for number, verdict in enumerate(verdicts, start=1):
            result = f"{'drift' if verdict.drifted else 'no drift'}: {verdict.summary}"
            record.row(what=f"{name} camera, window {number}", value=result)
    record.row(what="detection delay, predictions", value=trial.delay)
    if trial.alarm:
        record.row(what="features drifted", value=list_drifted(trial.alarm))
    record.row(what="labels given", value=trial.labelled)
    for name, both in trial.sets.items():
        record.row(what=f"{name}, images", value=len(both.champion))
        record.row(what=f"{name}, accuracy of the champion", value=float(both.champion.mean()))
        record.row(what=f"{name}, accuracy of the challenger", value=float(both.challenger.mean()))
        bound = both.bound(trial.policy.confidence)
        record.row(what=f"{name}, gained at least", value=bound)
    record.row(what="cycle began", value=trial.cycle.cause)
    record.row(what="cycle ended", value=f"{trial.cycle.state}: {trial.cycle.reason}")
    for check in trial.checks:
        record.row(
            what=f"gate, {check.name}",
            value=f"{'passed' if check.passed else 'FAILED'}: {check.reason}",
        )
    for name, seconds in trial.seconds.items():
        record.row(what=f"{name}, s", value=seconds)


def judge_goals(record: Record, trial: LoopTrial) -> None:
    """The goals."""
    alarms = sum(verdict.drifted for verdict in trial.same_camera)
    record.goal(
        "circle_quiet",
        f"none of {len(trial.same_camera)} windows of held-out images of its own camera is drift",
        alarms,
        met=alarms == 0,
    )
    delay = trial.delay
    record.goal(
        "circle_drift",
        f"drift is detected within {trial.close_ups} predictions on another camera's",
        "not detected" if delay is None else delay,
        met=delay is not None,
    )
    record.goal(
        "circle_reason",
        "a promoted version is better on close-ups held out; a refused one is not shown to be "
        "better on fresh, or loses more on test than the gate allows",
        describe_outcome(trial),
        met=is_borne_out(trial),
    )
    loss = -trial.sets["test"].gain if trial.promoted else 0.0
    record.goal(
        "circle_test",
        f"the champion in the end loses at most {LOSS} on test",
        loss,
        met=loss <= LOSS,
    )


def list_drifted(verdict: DriftVerdict) -> str:
    """The features that drifted, the largest PSI first."""
    rows = sorted((row for row in verdict.features if row.drifted), key=lambda row: -row.psi)
    return ", ".join(f"{row.feature} {row.psi:.2f}" for row in rows)


def is_borne_out(trial: LoopTrial) -> bool:
    """True when values computed here again agree with the end of the cycle.

    Any end but a promotion or a refusal by the gate gives no reason, so it is False.
    """
    failed = [check for check in trial.checks if not check.passed]
    if trial.promoted:
        return trial.cycle.state == "settled" and trial.sets["held out"].gain > 0
    if trial.cycle.state != "refused" or not failed:
        return False
    bounds = {name: both.bound(trial.policy.confidence) for name, both in trial.sets.items()}
    return bounds.get("fresh", 1.0) <= 0 or bounds["test"] < -trial.policy.margin


def describe_outcome(trial: LoopTrial) -> str:
    """The state in which the cycle ended, and the gains that justify it or not."""
    if not trial.sets:
        return trial.cycle.state
    gains = (f"{name} {both.gain:+.3f}" for name, both in trial.sets.items())
    return f"{trial.cycle.state}; {', '.join(gains)}"


def draw_trial(trial: LoopTrial) -> Figure:
    """The features of the first window that drifted, and the accuracy of both models."""
    figure = Figure(figsize=(11, 4.4), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    verdict = trial.alarm or trial.other_camera[0]
    names = [row.feature for row in verdict.features]
    left.barh(names, [row.psi for row in verdict.features], color=BAR)
    left.axvline(DriftPolicy().psi, color=GOAL, linestyle="--")
    left.invert_yaxis()
    left.set_xlabel("PSI")
    left.set_title(f"{verdict.n} predictions on another camera's images", fontsize=11)
    places = np.arange(len(trial.sets))
    both = {
        "champion": (MARK, [row.champion.mean() for row in trial.sets.values()]),
        "challenger": (BAR, [row.challenger.mean() for row in trial.sets.values()]),
    }
    for shift, (name, (colour, shares)) in zip((-0.2, 0.2), both.items(), strict=True):
        drawn = right.bar(places + shift, shares, width=0.4, color=colour, label=name)
        right.bar_label(drawn, fmt="%.2f", padding=2)
    right.set_xticks(places, list(trial.sets))
    right.set(ylim=(0, 1.2), ylabel="share right")
    right.set_title(f"the cycle: {trial.cycle.state}", fontsize=11)
    right.legend(frameon=False, loc="upper center", ncols=2)
    return figure


if __name__ == "__main__":
    run(measure)
