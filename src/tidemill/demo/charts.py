"""Charts of the demo's report, as SVG inside the page: they follow its colours and its width."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDTH, MARGIN = 480, 12
PLOT = WIDTH - 2 * MARGIN
LINE = 22
"""Height of one line of text or bars."""
NAMES = 150
"""Width of the names before the bars."""


def draw_accuracy(rows: Sequence[tuple[str, float, float]], title: str) -> str:
    """Return two bars for each row (name, before, after): shares between 0 and 1."""
    parts, full = [], WIDTH - NAMES - MARGIN - 50
    for number, (name, before, after) in enumerate(rows):
        top = MARGIN + number * 3 * LINE
        parts.append(_text(MARGIN, top + 15, name, "name"))
        for step, (word, share) in enumerate((("before", before), ("after", after)), start=1):
            y, width = top + step * LINE - 2, full * share
            parts.append(_text(MARGIN + 12, y + 15, word))
            parts.append(_bar(NAMES, y + 3, width, word))
            parts.append(_text(NAMES + width + 6, y + 15, f"{share:.3f}"))
    return _svg(parts, 3 * LINE * len(rows) + 2 * MARGIN, title)


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
        parts.append(_text(MARGIN, y + 21, version, "name"))
        parts.append(f'<path class="version{number % 2}" d="{path}"/>')
    for number, (second, name) in enumerate(changes):
        x, y = place(max(second, first)), LINE * (number + 1)
        parts.append(f'<path class="mark" d="M{x} {y - 12}V{bottom}"/>')
        near_end = x > WIDTH * 0.6
        parts.append(_text(x - 5 if near_end else x + 5, y, name, "end" if near_end else ""))
    parts.append(_text(place(first), bottom + 18, f"{first:.0f} s"))
    parts.append(_text(WIDTH - MARGIN, bottom + 18, f"{last:.0f} s", "end"))
    return _svg(parts, bottom + 28, title)


def draw_psi(windows: Sequence[tuple[int, float, bool]], threshold: float, title: str) -> str:
    """Return the largest PSI of each window: (predictions until its end, PSI, after the change)."""
    height, left = 150, MARGIN + 36
    total = max(predictions for predictions, _, _ in windows)
    top_psi = max(threshold * 1.5, *(psi for _, psi, _ in windows))

    def x(predictions: int) -> float:
        return round(left + (WIDTH - left - MARGIN - 8) * predictions / total, 1)

    def y(psi: float) -> float:
        return round(MARGIN + height * (1 - psi / top_psi), 1)

    line = " ".join(f"{x(predictions)},{y(psi)}" for predictions, psi, _ in windows)
    parts = [
        f'<path class="axis" d="M{left} {MARGIN}V{y(0)}H{WIDTH - MARGIN}"/>',
        f'<path class="mark dashed" d="M{left} {y(threshold)}H{WIDTH - MARGIN}"/>',
        _text(left + 4, y(threshold) - 5, f"drift from PSI {threshold:g}"),
        f'<polyline class="line" points="{line}"/>',
        _text(MARGIN, MARGIN + 10, f"{top_psi:.1f}"),
        _text(MARGIN, y(0), "0"),
        _text(WIDTH - MARGIN, y(0) + 18, f"{total} predictions", "end"),
    ]
    for predictions, psi, changed in windows:
        kind = "after" if changed else "before"
        parts.append(f'<circle class="{kind}" cx="{x(predictions)}" cy="{y(psi)}" r="5"/>')
    return _svg(parts, height + 3 * MARGIN + 8, title)


def draw_features(features: Sequence[tuple[str, float, bool]], threshold: float, title: str) -> str:
    """Return a bar for each feature's PSI (name, PSI, drifted?), and a line at the threshold."""
    left = NAMES + 20
    full = WIDTH - left - MARGIN - 40
    top_psi = max(threshold, *(psi for _, psi, _ in features))
    parts = []
    for number, (name, psi, drifted) in enumerate(features):
        y, width = MARGIN + number * LINE, full * psi / top_psi
        parts.append(_text(left - 6, y + 15, name, "end"))
        parts.append(_bar(left, y + 3, width, "after" if drifted else "before"))
        parts.append(_text(left + width + 5, y + 15, f"{psi:.2f}"))
    bottom = MARGIN + len(features) * LINE
    x = round(left + full * threshold / top_psi, 1)
    parts.append(f'<path class="mark dashed" d="M{x} {MARGIN}V{bottom}"/>')
    return _svg(parts, bottom + MARGIN, title)


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
        parts.append(
            f'<rect class="before" x="{MARGIN + at * width:.1f}" '
            f'y="{MARGIN + height - size:.1f}" width="{width - 1:.1f}" height="{size:.1f}"/>'
        )
    parts.append(_text(MARGIN, height + MARGIN + 18, "0"))
    parts.append(_text(WIDTH - MARGIN, height + MARGIN + 18, f"{largest:.0f} {unit}", "end"))
    return _svg(parts, height + 3 * MARGIN + 4, title)


def _svg(parts: Sequence[str], height: float, title: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _bar(x: float, y: float, width: float, kind: str) -> str:
    return f'<rect class="{kind}" x="{x}" y="{y}" width="{max(width, 0):.1f}" height="16"/>'
