"""The image beside a table."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

BAR, MARK, GOAL = "#2f6f9f", "#1f2933", "#d1495b"


def bars(
    values: Mapping[str, float], *, title: str, unit: str, goal: float | None = None
) -> Figure:
    """One bar for each value, the first on top, and a line at the goal if there is one."""
    figure = Figure(figsize=(7, 1.6 + 0.35 * len(values)), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    drawn = axes.barh(list(values), list(values.values()), color=BAR)
    axes.bar_label(drawn, fmt="%.3g", padding=3)
    if goal is not None:
        axes.axvline(goal, color=GOAL, linestyle="--", label=f"goal {goal:g}")
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel(unit)
    axes.set_title(title, fontsize=11)
    if goal is not None:
        figure.legend(loc="outside lower right", frameon=False)
    return figure
