"""The parts of an SVG figure. They carry a class for a style sheet and are legible without one."""

from __future__ import annotations

from collections.abc import Iterable
from unicodedata import east_asian_width

from tidemill.figures.markup import Markup, element, escape_text, shorten

WIDTH, WIDE, MARGIN = 480, 640, 12
PLOT = WIDTH - 2 * MARGIN
LINE = 22
"""Height of one line of text or bars."""
BAR = 16
"""Height of a bar."""
LETTER = 7.5
"""Width of a letter; Chinese, Japanese and Korean ones are twice as wide."""
COLOUR = "currentColor"


def measure_text(text: str) -> float:
    """Return about how wide a line of text is."""
    return LETTER * sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def fit_text(text: str, width: float) -> str:
    """Leave out the middle of a text that is wider than this."""
    text = shorten(text)
    while measure_text(text) > width:
        text = shorten(text, len(text) - 1)
    return text


def draw_svg(parts: Iterable[Markup], height: float, title: str, *, width: float = WIDTH) -> Markup:
    """Return a figure as wide as the text. `title` describes it to people who do not see it."""
    return element(
        "svg",
        element("title", title),
        *parts,
        width=f"{width:.0f}",
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        role="img",
        fill=COLOUR,
        font_size=14,
    )


def draw_text(x: float, y: float, text: str, kind: str = "", align: str = "") -> Markup:
    """Return a line of text that begins at x; `align` may be "middle" or "end"."""
    return element(
        "text", escape_text(text), class_=kind, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=align
    )


def draw_bar(x: float, y: float, width: float, kind: str, height: float = BAR) -> Markup:
    """Return a bar from x to the right; a negative width counts as 0."""
    return element(
        "rect",
        class_=kind,
        x=f"{x:.1f}",
        y=f"{y:.1f}",
        width=f"{max(width, 0):.1f}",
        height=f"{height:.1f}",
        fill_opacity=0.6,
    )


def draw_path(path: str, kind: str, *, dashed: bool = False) -> Markup:
    """Return a line along an SVG path."""
    return element(
        "path",
        class_=kind,
        d=path,
        fill="none",
        stroke=COLOUR,
        stroke_dasharray="5 4" if dashed else "",
    )


def draw_point(x: float, y: float, kind: str, radius: float = 5) -> Markup:
    """Return a small disc."""
    return element("circle", class_=kind, cx=f"{x:.1f}", cy=f"{y:.1f}", r=f"{radius:g}")
