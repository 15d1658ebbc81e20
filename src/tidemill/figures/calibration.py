"""A reliability diagram: how often answers of each confidence are right."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tidemill.figures.markup import Markup
from tidemill.figures.svg import MARGIN, draw_path, draw_point, draw_svg, draw_text

SIDE = 180
"""Width and height of the square of confidence and accuracy."""
LARGEST, SMALLEST = 9.0, 2.5
"""Radius of the disc of the fullest bin, and of a bin with next to nothing in it."""


def draw_calibration(bins: Sequence[tuple[float, float, int]], title: str) -> Markup:
    """Draw a disc for each bin (mean confidence, accuracy, examples); its area is the examples.

    On the dashed line accuracy equals confidence. Bins without examples, or without shares between
    0 and 1, are left out. Without any bin the figure is empty.
    """
    bins = [row for row in bins if row[2] > 0 and 0 <= row[0] <= 1 and 0 <= row[1] <= 1]
    if not bins:
        return Markup()
    left, bottom = MARGIN + 30, MARGIN + SIDE
    fullest = max(examples for _, _, examples in bins)

    def place(confidence: float, accuracy: float) -> tuple[float, float]:
        return round(left + SIDE * confidence, 1), round(bottom - SIDE * accuracy, 1)

    parts = [
        draw_path(f"M{left} {MARGIN}V{bottom}H{left + SIDE}", "axis"),
        draw_path(f"M{left} {bottom}L{left + SIDE} {MARGIN}", "mark dashed", dashed=True),
        draw_path("M" + "L".join("{} {}".format(*place(*row[:2])) for row in bins), "line"),
        draw_text(left - 6, MARGIN + 8, "1", align="end"),
        draw_text(left - 6, bottom, "0", align="end"),
        draw_text(left + 6, MARGIN + 10, "accuracy"),
        draw_text(left, bottom + 17, "0"),
        draw_text(left + SIDE, bottom + 17, "1", align="middle"),
        draw_text(left + SIDE / 2, bottom + 17, "confidence", align="middle"),
    ]
    for confidence, accuracy, examples in bins:
        radius = max(SMALLEST, LARGEST * math.sqrt(examples / fullest))
        parts.append(draw_point(*place(confidence, accuracy), "before", radius))
    return draw_svg(parts, bottom + 26, title, width=left + SIDE + 2 * MARGIN)
