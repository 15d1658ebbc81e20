"""A confusion matrix as a table: shaded cells, or the commonest confusions of many classes."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

from tidemill.figures.markup import Markup, element, number_cell, paragraph, shorten, tabulate

MAX_CLASSES = 16
"""Classes whose whole matrix is shown."""
MAX_CONFUSIONS = 20
"""Pairs of classes that are listed where there are more classes."""
MAX_HEAD = 20
"""Characters of a class at the head of a column."""
STRONGEST = 0.7
"""Opacity of the strongest shade: text stays legible on it, on a light and on a dark page."""


def shade_cell(text: object, share: float) -> Markup:
    """Return a cell whose shade is a share between 0 and 1."""
    opacity = STRONGEST * min(max(share, 0), 1) if math.isfinite(share) else 0
    style = f"background: rgba(74, 134, 197, {opacity:.2f})" if opacity else ""
    return element("td", text, class_="shade", style=style)


def tabulate_confusion(names: Sequence[str], counts: Sequence[Sequence[int]]) -> Markup:
    """Return the matrix: `counts[i][j]` examples of class i were predicted as class j.

    A shade is the share of its row. Of many classes the commonest confusions are listed instead.
    """
    if len(names) > MAX_CLASSES:
        return _list_confusions(names, counts)
    rows = []
    for name, row in zip(names, counts, strict=True):
        total = sum(row) or 1
        cells = [shade_cell(count, count / total) for count in row]
        rows.append((element("th", shorten(name)), *cells))
    heads = [shorten(name, MAX_HEAD) for name in names]
    return tabulate(("true ↓  predicted →", *heads), rows)


def _list_confusions(names: Sequence[str], counts: Sequence[Sequence[int]]) -> Markup:
    wrong = (
        (count, -row, -column)
        for row, line in enumerate(counts)
        for column, count in enumerate(line)
        if count and row != column
    )
    # Negative positions: of equal counts the first pair in the order of the classes comes first.
    commonest = heapq.nlargest(MAX_CONFUSIONS, wrong)
    if not commonest:
        return paragraph("No example was predicted as another class.")
    rows = [
        (shorten(names[-row]), shorten(names[-column]), number_cell(str(count)))
        for count, row, column in commonest
    ]
    return tabulate(("true class", "predicted class", "examples"), rows)
