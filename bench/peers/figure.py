"""The figure: each contestant's rate as a share of the bare loop's, by users."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from bench.figure import BAR, GOAL, MARK
from bench.peers.measured import BARE, BARE_ONE, FLOOR, OURS, Measured

COLOURS = {OURS: GOAL, "bentoml": BAR, "litserve": MARK}
OTHER = "#9aa5b1"


def draw(measured: Mapping[str, Measured]) -> Figure:
    """Return one panel for each workload."""
    figure = Figure(figsize=(1 + 4 * len(measured), 4), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(measured), squeeze=False)[0]
    for axes, (workload, one) in zip(panels, measured.items(), strict=True):
        for name in one.names():
            if name in (BARE, BARE_ONE, FLOOR):
                continue
            users = [count for count in one.users(name) if isinstance(count, int)]
            ratios = [one.ratio((name, count), (BARE, "")) for count in users]
            means = [ratio.mean for ratio in ratios]
            spans = [
                [max(0.0, ratio.mean - ratio.low) for ratio in ratios],
                [max(0.0, min(ratio.high, 2.0) - ratio.mean) for ratio in ratios],
            ]
            colour = COLOURS.get(name, OTHER)
            axes.errorbar(
                users, means, spans, label=name, color=colour, marker="o", capsize=3, alpha=0.9
            )
        axes.axhline(1, color=MARK, linestyle=":", linewidth=1)
        axes.set(xscale="log", xlabel="users", ylim=(0, None))
        axes.set_title(workload, fontsize=11)
    panels[0].set_ylabel("requests/s, share of the bare loop")
    panels[0].legend(frameon=False, fontsize=8)
    return figure
