"""HTML from values: text becomes markup by being escaped, and in no other way."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

MAX_NAME = 80
"""Characters of a name; the middle of a longer one is left out."""
MAX_TEXT = 1_000
"""Characters of a sentence; the middle of a longer one is left out."""
FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot contain: control characters and halves of surrogate pairs."""


class Markup(str):
    """HTML or SVG whose text is escaped already."""

    __slots__ = ()


def escape_text(value: object) -> Markup:
    """Escape a value's text, without the middle of a very long one; markup stays as it is."""
    return value if isinstance(value, Markup) else _escape(shorten(str(value), MAX_TEXT))


def _escape(text: str) -> Markup:
    return Markup(escape(FORBIDDEN.sub("\ufffd", text)))


def shorten(text: str, most: int = MAX_NAME) -> str:
    """Leave out the middle of a text that has more than `most` characters."""
    if len(text) <= most:
        return text
    head = most * 2 // 3
    return f"{text[:head]}…{text[len(text) - (most - head - 1) :]}"


def join_markup(parts: Iterable[object]) -> Markup:
    """Return the parts one after the other, each escaped."""
    return Markup("".join(map(escape_text, parts)))


def element(tag: str, *parts: object, **attributes: object) -> Markup:
    """Return an element with its content, and its attributes but for empty ones.

    `class_` stands for class, and `fill_opacity` for fill-opacity.
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_escape(str(value))}"'
        for name, value in attributes.items()
        if value not in ("", None)
    )
    return Markup(f"<{tag}{written}>{join_markup(parts)}</{tag}>")


def format_number(value: float | None) -> str:
    """Return four significant digits, all of a whole number, and no text for None."""
    if value is None or not math.isfinite(value):
        return "" if value is None else str(value)
    whole = value == int(value) and abs(value) < 1e15
    return f"{int(value)}" if whole else f"{value:.4g}"


def format_share(value: float | None) -> str:
    """Return a share between 0 and 1 in three decimals, and no text for None."""
    return "" if value is None else f"{value:.3f}"


def number_cell(text: str) -> Markup:
    """Return a cell of a table whose number is aligned to the right."""
    return element("td", text or Markup("&#160;"), class_="number")


def word_cell(word: str, *, good: bool) -> Markup:
    """Return a cell with a word, after a sign and a colour that say the same."""
    sign = element("span", "✓ " if good else "✗ ", class_="good" if good else "bad")
    return element("td", sign, word, class_="word")


def tabulate(columns: Sequence[object], rows: Iterable[Sequence[object]]) -> Markup:
    """Return a table, or nothing without rows. A cell that is no `td` or `th` yet becomes one.

    The head of a column is aligned as the column's first cell is.
    """
    body = [[_cell(value) for value in row] for row in rows]
    if not body:
        return Markup()
    heads = [
        element("th", name, class_=_class(cell))
        for name, cell in zip(columns, body[0], strict=True)
    ]
    return element(
        "table",
        element("thead", element("tr", *heads)),
        element("tbody", *(element("tr", *row) for row in body)),
    )


def tabulate_facts(facts: Mapping[str, object]) -> Markup:
    """Return a table with a row for each fact that has a value, or nothing without any."""
    rows = [
        element("tr", element("th", name), element("td", value))
        for name, value in facts.items()
        if str(value)
    ]
    return element("table", element("tbody", *rows)) if rows else Markup()


def _cell(value: object) -> Markup:
    if isinstance(value, Markup) and value.startswith(("<td", "<th")):
        return value
    return element("td", value if str(value) else Markup("&#160;"))


def _class(cell: Markup) -> str:
    match = re.match(r'<td class="(\w+)"', cell)
    return match[1] if match else ""


def paragraph(*parts: object) -> Markup:
    """Return a paragraph, or nothing when its parts are empty."""
    content = join_markup(parts)
    return element("p", content) if content else content


def figure(chart: Markup, caption: str) -> Markup:
    """Return a chart with its caption, or nothing when the chart is empty."""
    return element("figure", chart, element("figcaption", caption)) if chart else chart


def collapse(summary: str, content: Markup) -> Markup:
    """Return content behind a summary to click on, or nothing when the content is empty."""
    return element("details", element("summary", summary), content) if content else content


def build_block(title: str, *parts: object) -> str:
    """Return a block for a notebook: a title, then the parts, with the style that they need.

    The block loads nothing, runs nothing and has no ids, so that it may stand on a page many times.
    """
    heading = element("p", element("strong", title))
    style = Markup(f"<style>{_style()}</style>")
    return str(element("div", style, heading, *parts, class_="tidemill"))


@functools.cache
def _style() -> str:
    return (Path(__file__).parent / "notebook.css").read_text(encoding="utf-8")
