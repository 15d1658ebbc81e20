"""Charts as SVG: bars, a trend, and lower bounds. Values that no scale can hold are not drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tidemill.figures.markup import Markup
from tidemill.figures.svg import (
    LINE,
    MARGIN,
    WIDE,
    WIDTH,
    draw_bar,
    draw_path,
    draw_point,
    draw_svg,
    draw_text,
    fit_text,
    measure_text,
)

NAMES = 200
"""Largest width of the names before the bars."""
LARGEST = 1e12
"""The largest value that a trend or a bound is drawn for."""
MAX_NAMES = 12
"""Points of a trend whose names have room below it."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A named bar and the text of its value; `strong` gives it the second colour."""

    name: str
    value: float
    text: str
    strong: bool = False


def draw_bars(
    bars: Sequence[Bar],
    title: str,
    *,
    most: float = 0,
    threshold: float = 0,
    width: float = WIDTH,
) -> Markup:
    """Draw a horizontal bar for each value. The scale ends at `most`, or at the largest value.

    `threshold` is drawn as a dashed line; 0 draws none. Without bars the chart is empty.
    """
    if not bars:
        return Markup()
    names = [fit_text(bar.name, NAMES) for bar in bars]
    left = MARGIN + max(map(measure_text, names)) + 6
    full = width - left - MARGIN - max(45, *(measure_text(bar.text) for bar in bars))
    largest = max(most, threshold, *_finite(bar.value for bar in bars), 1e-9)
    line = full * (threshold / largest)
    parts = []
    for number, (name, bar) in enumerate(zip(names, bars, strict=True)):
        y = MARGIN + number * LINE
        size = full * max(0.0, min(bar.value / largest, 1)) if not math.isnan(bar.value) else 0
        parts.append(draw_text(left - 6, y + 15, name, align="end"))
        parts.append(draw_bar(left, y + 3, size, "after" if bar.strong else "before"))
        parts.append(draw_text(left + max(size, line) + 5, y + 15, bar.text))
    bottom = MARGIN + len(bars) * LINE
    if threshold:
        x = round(left + line, 1)
        parts.append(draw_path(f"M{x} {MARGIN}V{bottom}", "mark dashed", dashed=True))
        parts.append(draw_text(x, bottom + 15, f"{threshold:g}", align="middle"))
        bottom += LINE
    return draw_svg(parts, bottom + MARGIN, title, width=width)


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a trend, with the name of its place; `strong` gives it the second colour."""

    x: float
    y: float
    name: str = ""
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """The values at the bottom and at the top of a chart, and how to write them."""

    low: float
    high: float
    form: str = ".1f"


def scale_around(values: Sequence[float], low: float, high: float) -> Scale:
    """Return a scale on which finite values differ visibly, within these limits."""
    finite = [value for value in values if _fits(value)] or [low]
    room = max(0.15 * (max(finite) - min(finite)), 0.005)
    return Scale(max(low, min(finite) - room), min(high, max(finite) + room), ".3f")


def draw_trend(
    points: Sequence[Point],
    title: str,
    scale: Scale,
    *,
    height: int = 150,
    threshold: float = 0,
    threshold_text: str = "",
    end: str = "",
) -> Markup:
    """Draw points joined by a line, and the threshold as a dashed line; 0 draws none.

    `end` is the text below the end of the axis, where the points have no names. Without a value to
    draw the chart is empty.
    """
    shown = [point for point in points if _fits(point.y)]
    if not shown:
        return Markup()
    left, right = MARGIN + 36, WIDTH - MARGIN - 8
    first, last = min(point.x for point in shown), max(point.x for point in shown)
    named = [point for point in shown if point.name]
    if named:
        left, right = left + 24, right - 24
    else:
        first = min(first, 0)

    def x(value: float) -> float:
        return round(left + (right - left) * (value - first) / ((last - first) or 1), 1)

    def y(value: float) -> float:
        share = (value - scale.low) / ((scale.high - scale.low) or 1)
        return round(MARGIN + height * (1 - share), 1)

    axis, bottom = MARGIN + 36, MARGIN + height
    parts = [draw_path(f"M{axis} {MARGIN}V{bottom}H{WIDTH - MARGIN}", "axis")]
    if threshold:
        path = f"M{axis} {y(threshold)}H{WIDTH - MARGIN}"
        parts.append(draw_path(path, "mark dashed", dashed=True))
        parts.append(draw_text(axis + 4, y(threshold) - 5, threshold_text))
    line = "L".join(f"{x(point.x)} {y(point.y)}" for point in shown)
    parts.append(draw_path(f"M{line}", "line"))
    for value, place in ((scale.high, MARGIN + 10), (scale.low, bottom)):
        parts.append(draw_text(axis - 5, place, format(value, scale.form), align="end"))
    for point in shown:
        parts.append(draw_point(x(point.x), y(point.y), "after" if point.strong else "before"))
    for point in named if len(named) <= MAX_NAMES else (named[0], named[-1]):
        name = fit_text(point.name, 60)
        parts.append(draw_text(x(point.x), bottom + 18, name, align="middle"))
    if end:
        parts.append(draw_text(WIDTH - MARGIN, bottom + 18, end, align="end"))
    return draw_svg(parts, height + 3 * MARGIN + 8, title)


@dataclass(frozen=True, slots=True)
class LowerBound:
    """The lower bound of a value, what it has to reach, and whether that is enough."""

    name: str
    bound: float
    threshold: float | None
    passed: bool


def draw_lower_bounds(rows: Sequence[LowerBound], title: str) -> Markup:
    """Draw the one-sided interval of each row, from its bound on, and a tick at its threshold.

    The dashed line is at zero. A row with a number that no scale can hold is left out.
    """
    rows = [row for row in rows if _fits(row.bound) and _fits(row.threshold or 0)]
    if not rows:
        return Markup()
    ends = [0.0, *(row.bound for row in rows), *(row.threshold or 0.0 for row in rows)]
    # The intervals have no end: there is room for them on the right.
    low, reach = min(ends), (max(ends) - min(ends)) or 0.01
    names = [fit_text(row.name, NAMES) for row in rows]
    left, right = MARGIN + max(map(measure_text, names)) + 6, WIDE - MARGIN - 4

    def x(value: float) -> float:
        return round(left + 14 + (right - left - 14) * (value - low) / (reach * 1.5), 1)

    parts = []
    for number, (name, row) in enumerate(zip(names, rows, strict=True)):
        y, kind = MARGIN + 2 * number * LINE + LINE, "good" if row.passed else "bad"
        start = x(row.bound)
        needed = "" if row.threshold is None else f", threshold {row.threshold:.3g}"
        text = f"at least {row.bound:+.4f}{needed}"
        parts.append(draw_text(left - 6, y + 5, name, align="end"))
        parts.append(draw_path(f"M{right - 7} {y - 5}L{right} {y}L{right - 7} {y + 5}", kind))
        parts.append(draw_path(f"M{start} {y - 7}V{y + 7}M{start} {y}H{right}", kind))
        parts.append(draw_text(right, y - 8, text, align="end"))
        if row.threshold is not None:
            parts.append(draw_path(f"M{x(row.threshold)} {y - 11}V{y + 11}", "mark"))
    bottom = MARGIN + 2 * len(rows) * LINE
    parts.append(draw_path(f"M{x(0)} {MARGIN}V{bottom}", "mark dashed", dashed=True))
    parts.append(draw_text(x(0), bottom + 15, "0", align="middle"))
    return draw_svg(parts, bottom + LINE, title, width=WIDE)


def _finite(values: Iterable[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]


def _fits(value: float) -> bool:
    return abs(value) <= LARGEST
