"""Text becomes markup by being escaped, and a block needs nothing from outside."""

from __future__ import annotations

import pytest

from tests.figures.page import parse, text_of
from tidemill.figures.markup import (
    MAX_TEXT,
    Markup,
    build_block,
    collapse,
    element,
    escape_text,
    figure,
    format_number,
    format_share,
    paragraph,
    shorten,
    tabulate,
)
from tidemill.figures.svg import draw_path


def test_text_is_escaped_once() -> None:
    once = escape_text("<b>&'\"")
    assert once == "&lt;b&gt;&amp;&#x27;&quot;"
    assert escape_text(once) == once
    assert element("p", once) == f"<p>{once}</p>"


def test_an_attribute_is_escaped_even_when_it_is_markup() -> None:
    assert element("p", "a", class_=Markup('"><script>')) == (
        '<p class="&quot;&gt;&lt;script&gt;">a</p>'
    )


@pytest.mark.parametrize("text", ["\x00", "\x1b[31m", "\ud800", "\ufffe"])
def test_what_no_page_can_hold_is_replaced(text: str) -> None:
    block = build_block(text, paragraph(text))
    block.encode()
    assert "\ufffd" in text_of(parse(block))


def test_a_long_text_loses_its_middle() -> None:
    assert shorten("abc", 3) == "abc"
    assert shorten("abcdefgh", 6) == "abcd…h"
    assert len(escape_text("x" * 10_000)) == MAX_TEXT


def test_a_long_path_stays_whole() -> None:
    path = "M0 0" + "L1 1" * 1_000
    assert f'd="{path}"' in draw_path(path, "line")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (0.0, "0"),
        (12_345.0, "12345"),
        (0.912345, "0.9123"),
        (2.4e-7, "2.4e-07"),
        (1e300, "1e+300"),
    ],
)
def test_a_number_in_four_digits(value: float | None, text: str) -> None:
    assert format_number(value) == text


def test_a_share_in_three_decimals() -> None:
    assert (format_share(0.5), format_share(None), format_share(float("nan"))) == (
        "0.500",
        "",
        "nan",
    )


def test_parts_without_content_leave_nothing_behind() -> None:
    nothing = [paragraph(""), tabulate(("a",), []), figure(Markup(), "b"), collapse("c", Markup())]
    assert "".join(nothing) == ""
    assert build_block("d", *nothing) == build_block("d")


def test_an_element_without_content_is_closed_as_html_wants_it() -> None:
    assert element("th", "") == "<th></th>"
    table = tabulate(("", "b"), [("", 1)])
    parse(table)
    assert "/>" not in table
