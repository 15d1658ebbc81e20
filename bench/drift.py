"""The drift test on simulated traffic, its false alarms and its power: `python -m bench.drift`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated

import numpy as np
import typer
from matplotlib.figure import Figure

from bench.command import run
from bench.record import Record
from bench.windows import LABEL, MEASURES, Counts, Held, Shift, pairs
from tidemill.loop.drift import DriftPolicy, check

SIZES = (200, 250, 500, 1000)
CURVES = (200, 500, 1000)
DEVIATIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
SHARES = (0.05, 0.10, 0.15, 0.20, 0.25, 0.30)
CHEAP = 0.02
"""Allowed share of windows with a false alarm: 0.01, and three standard errors of 1,000 windows."""
SURE = 0.95
ENOUGH = {"deviations": 0.7, "share": 0.25}
"""Shifts that even a window of 200 predictions must find."""
LOOK = 50
Curve = Mapping[float, float]


def measure(
    *,
    windows: Annotated[int, typer.Option(min=1, help="Windows for each rate of alarms.")] = 1000,
    power: Annotated[int, typer.Option(min=1, help="Windows for each point of a curve.")] = 200,
    references: Annotated[int, typer.Option(min=1, help="References that are kept.")] = 5,
    runs: Annotated[int, typer.Option(min=1, help="Windows that are let grow.")] = 200,
) -> int:
    """Count false alarms where nothing changed, and alarms where something did."""
    record, policy = Record("drift"), DriftPolicy()
    rates = [alarms(policy, n, windows) for n in SIZES]
    record.row(what="nothing changed", windows=windows, **columns(SIZES, rates))
    record.goal(
        "false_alarms",
        f"at most {CHEAP:g} of the windows have an alarm where nothing changed (largest)",
        max(rates),
        met=max(rates) <= CHEAP,
    )
    for seed in range(references):
        shares = [consecutive_alarms(policy, n, windows, seed) for n in SIZES]
        record.row(what=f"reference {seed + 1} kept", windows=windows, **columns(SIZES, shares))
    record.row(
        what=f"judged every {LOOK} while growing",
        windows=runs,
        **columns(SIZES[-1:], [cumulative_alarms(policy, runs)]),
    )
    curves: dict[str, dict[int, Curve]] = {}
    for kind, steps in (("deviations", DEVIATIONS), ("share", SHARES)):
        curves[kind] = {n: curve(policy, kind, steps, n, power) for n in CURVES}
        for by in steps:
            powers = [curves[kind][n][by] for n in CURVES]
            record.row(what=kind, shift=by, windows=power, **columns(CURVES, powers))
    drawn = [points for each in curves.values() for points in each.values()]
    steepest = max(before - after for row in drawn for before, after in pairwise(row.values()))
    record.goal(
        "monotone",
        "a larger shift is found as often or oftener (largest loss)",
        steepest,
        met=steepest <= 0,
    )
    for kind, by in ENOUGH.items():
        lowest = min(points[by] for points in curves[kind].values())
        record.goal(
            f"power_{kind}",
            f"a shift of {by:g} ({kind}) is found in {SURE:g} of the windows (smallest)",
            lowest,
            met=lowest >= SURE,
        )
    return record.finish(image(curves))


def columns(sizes: Sequence[int], shares: Sequence[float]) -> dict[str, float]:
    """A row's shares of windows with an alarm, by the predictions in a window."""
    return {f"at {n}": share for n, share in zip(sizes, shares, strict=True)}


def alarms(policy: DriftPolicy, n: int, windows: int) -> float:
    """The share of windows with any alarm, nothing having changed; each has its own reference."""
    rng = np.random.default_rng(n)
    alarm = [any_drift(policy, *both) for both in pairs(rng, n, windows)]
    return float(np.mean(alarm))


def consecutive_alarms(policy: DriftPolicy, n: int, windows: int, seed: int) -> float:
    """The same for one window after another against the same reference."""
    rng = np.random.default_rng([seed, n])
    reference = Held.draw(rng)
    alarm = [any_drift(policy, reference.counts, reference.window(rng, n)) for _ in range(windows)]
    return float(np.mean(alarm))


def cumulative_alarms(policy: DriftPolicy, runs: int) -> float:
    """The share of windows that raise an alarm at any size, were each judged while it grows."""
    rng = np.random.default_rng(0)
    alarms_raised = 0
    for _ in range(runs):
        reference = Held.draw(rng)
        window = reference.window(rng, min(SIZES))
        for n in range(min(SIZES), max(SIZES) + 1, LOOK):
            if any_drift(policy, reference.counts, window):
                alarms_raised += 1
                break
            if n < max(SIZES):
                more = reference.window(rng, LOOK)
                window = {name: window[name] + counts for name, counts in more.items()}
    return alarms_raised / runs


def curve(policy: DriftPolicy, kind: str, steps: Sequence[float], n: int, windows: int) -> Curve:
    """How often the feature that moved is found, by shift; every shift moves the same windows."""
    feature = {"deviations": MEASURES[0], "share": LABEL}[kind]
    points = {}
    for by in steps:
        rng = np.random.default_rng(n)
        shift = Shift(**{kind: by})
        drifted = [
            next(row for row in check(*pair, policy) if row.feature == feature).drifted
            for pair in pairs(rng, n, windows, shift)
        ]
        points[by] = float(np.mean(drifted))
    return points


def any_drift(
    policy: DriftPolicy, reference: Mapping[str, Counts], live: Mapping[str, Counts]
) -> bool:
    return any(row.drifted for row in check(reference, live, policy))


def image(curves: Mapping[str, Mapping[int, Curve]]) -> Figure:
    """One curve for each size of window, one panel for each kind of shift."""
    titles = {"deviations": "shift of one mean (sd)", "share": "shift of one label's share"}
    figure = Figure(figsize=(8, 3.4), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(curves), sharey=True)
    for axes, (kind, each) in zip(panels, curves.items(), strict=True):
        for n, points in each.items():
            axes.plot(list(points), list(points.values()), marker="o", label=f"{n} predictions")
        axes.axhline(SURE, color="#d1495b", linestyle="--")
        axes.set_xlabel(titles[kind])
    panels[0].set_ylabel("windows in which it is found")
    panels[0].legend(frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    run(measure)
