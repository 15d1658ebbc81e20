"""Charts of the demo's report, as SVG inside the page: they follow its colours and its width."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.figures.charts import Bar, Point, Scale, draw_bars, draw_trend
from tidemill.figures.svg import (
    LINE,
    MARGIN,
    PLOT,
    WIDTH,
    draw_bar,
    draw_path,
    draw_svg,
    draw_text,
)

NAMES = 150
"""Width of the names before the bars."""


def draw_accuracy(rows: Sequence[tuple[str, float, float]], title: str) -> str:
    """Return two bars for each row (name, before, after): shares between 0 and 1."""
    parts, full = [], WIDTH - NAMES - MARGIN - 50
    for number, (name, before, after) in enumerate(rows):
        top = MARGIN + number * 3 * LINE
        parts.append(draw_text(MARGIN, top + 15, name, "name"))
        for step, (word, share) in enumerate((("before", before), ("after", after)), start=1):
            y, width = top + step * LINE - 2, full * share
            parts.append(draw_text(MARGIN + 12, y + 15, word))
            parts.append(draw_bar(NAMES, y + 3, width, word))
            parts.append(draw_text(NAMES + width + 6, y + 15, f"{share:.3f}"))
    return draw_svg(parts, 3 * LINE * len(rows) + 2 * MARGIN, title)


def draw_replies(
    replies: Sequence[tuple[float, str]], changes: Sequence[tuple[float, str]], title: str
) -> str:
    """Return a tick for each reply (seconds, version) and a line for each change of version."""
    versions = sorted({version for _, version in replies})
    first, last = min(at for at, _ in replies), max(at for at, _ in replies)
    scale = (PLOT - 40) / ((last - first) or 1.0)
    top = LINE * (1 + len(changes))
    bottom = top + 32 * len(versions)

    def place(second: float) -> float:
        return round(MARGIN + 36 + (second - first) * scale, 1)

    parts = []
    for number, version in enumerate(versions):
        y = top + 32 * number
        ticks = sorted({place(at) for at, name in replies if name == version})
        path = "".join(f"M{x} {y + 6}v20" for x in ticks)
        parts.append(draw_text(MARGIN, y + 21, version, "name"))
        parts.append(draw_path(path, f"version{number % 2}"))
    for number, (second, name) in enumerate(changes):
        x, y = place(max(second, first)), LINE * (number + 1)
        parts.append(draw_path(f"M{x} {y - 12}V{bottom}", "mark"))
        near_end = x > WIDTH * 0.6
        parts.append(
            draw_text(x - 5 if near_end else x + 5, y, name, align="end" if near_end else "")
        )
    parts.append(draw_text(place(first), bottom + 18, f"{first:.0f} s"))
    parts.append(draw_text(WIDTH - MARGIN, bottom + 18, f"{last:.0f} s", align="end"))
    return draw_svg(parts, bottom + 28, title)


def draw_psi(windows: Sequence[tuple[int, float, bool]], threshold: float, title: str) -> str:
    """Draw the largest PSI of each window: (predictions until its end, PSI, after the change?)."""
    points = [Point(predictions, psi, strong=changed) for predictions, psi, changed in windows]
    return draw_trend(
        points,
        title,
        Scale(0, max(threshold * 1.5, *(psi for _, psi, _ in windows))),
        threshold=threshold,
        threshold_text=f"drift from PSI {threshold:g}",
        end=f"{max(predictions for predictions, _, _ in windows)} predictions",
    )


def draw_features(features: Sequence[tuple[str, float, bool]], threshold: float, title: str) -> str:
    """Draw a bar for each feature's PSI (name, PSI, drifted?), and a line at the threshold."""
    bars = [Bar(name, psi, f"{psi:.2f}", drifted) for name, psi, drifted in features]
    return draw_bars(bars, title, threshold=threshold)


def draw_histogram(values: Sequence[float], unit: str, title: str, bins: int = 40) -> str:
    """How values spread, from 0 to the largest."""
    height, largest = 110, max(values)
    counts = [0] * bins
    for value in values:
        counts[min(int(value / largest * bins), bins - 1)] += 1
    width = PLOT / bins
    parts = []
    for at, count in enumerate(counts):
        size = height * count / max(counts)
        place = MARGIN + at * width, MARGIN + height - size
        parts.append(draw_bar(*place, width - 1, "before", size))
    parts.append(draw_text(MARGIN, height + MARGIN + 18, "0"))
    parts.append(
        draw_text(WIDTH - MARGIN, height + MARGIN + 18, f"{largest:.0f} {unit}", align="end")
    )
    return draw_svg(parts, height + 3 * MARGIN + 4, title)
