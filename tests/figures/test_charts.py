"""Charts: what is drawn of odd values, and where."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest

from tests.figures.page import classes_of, parse, text_of
from tidemill.figures.calibration import SIDE, draw_calibration
from tidemill.figures.charts import (
    Bar,
    LowerBound,
    Point,
    Scale,
    draw_bars,
    draw_lower_bounds,
    draw_trend,
)
from tidemill.figures.markup import Markup
from tidemill.figures.svg import MARGIN, WIDE, WIDTH, fit_text, measure_text

NAN, INF = math.nan, math.inf


def widths(root: ElementTree.Element) -> list[float]:
    return [float(node.attrib["width"]) for node in root.iter("rect")]


def places(root: ElementTree.Element, name: str) -> list[float]:
    return [float(node.attrib[name]) for node in root.iter() if name in node.attrib]


def test_bars_are_as_long_as_their_values() -> None:
    bars = [Bar("a", 1.0, "1.0"), Bar("b", 0.5, "0.5", strong=True), Bar("c", 0, "0")]
    root = parse(draw_bars(bars, "title", most=2))
    long, half, none = widths(root)
    assert long == pytest.approx(2 * half, abs=0.1)
    assert none == 0
    assert classes_of(root, "rect") == ["before", "after", "before"]
    assert text_of(root) == "title a 1.0 b 0.5 c 0"


def test_a_bar_without_a_finite_value_has_its_text() -> None:
    bars = [Bar("a", NAN, "nan"), Bar("b", INF, "inf"), Bar("c", -1, "-1"), Bar("d", 2, "2")]
    root = parse(draw_bars(bars, "title"))
    assert widths(root)[0] == 0
    assert widths(root)[1] == widths(root)[3] > 0
    assert widths(root)[2] == 0
    assert all(math.isfinite(x) and x <= WIDTH for x in places(root, "x"))
    parse(draw_bars([Bar("a", NAN, "nan")], "title"))
    parse(draw_bars([Bar("a", 1e308, "1e308")], "title", threshold=1e308))


def test_the_threshold_stands_on_the_scale_of_the_bars() -> None:
    root = parse(draw_bars([Bar("a", 0.4, "0.4"), Bar("b", 0.1, "0.1")], "title", threshold=0.2))
    [line] = root.iter("path")
    x = float(line.attrib["d"][1:].split()[0])
    [left, *_] = [float(node.attrib["x"]) for node in root.iter("rect")]
    assert x - left == pytest.approx(widths(root)[0] / 2, abs=0.1)
    # The text of a bar that ends before the line stands behind it.
    [small] = [float(node.attrib["x"]) for node in root.iter("text") if node.text == "0.1"]
    assert small > x


@pytest.mark.parametrize("name", ["x" * 500, "漢" * 500, "<script>" * 50])
def test_a_long_name_leaves_room_for_the_bars(name: str) -> None:
    root = parse(draw_bars([Bar(name, 1.0, "1.0")], "title"))
    assert widths(root)[0] > 100
    assert 0 < measure_text(fit_text(name, 200)) <= 200


def test_a_trend_joins_its_finite_points() -> None:
    points = [Point(0, 0.5, "v1"), Point(1, NAN, "v2"), Point(2, 1.0, "v3", strong=True)]
    points += [Point(3, 1e308, "v4"), Point(4, -INF, "v5")]
    root = parse(draw_trend(points, "title", Scale(0, 1, ".2f")))
    assert classes_of(root, "circle") == ["before", "after"]
    assert text_of(root) == "title 1.00 0.00 v1 v3"
    low, high = (float(node.attrib["cy"]) for node in root.iter("circle"))
    assert low > high


def test_many_points_name_the_first_and_the_last() -> None:
    points = [Point(at, 0.5, f"v{at}") for at in range(100)]
    root = parse(draw_trend(points, "title", Scale(0.5, 0.5)))
    assert text_of(root).split()[-2:] == ["v0", "v99"]
    assert all(0 <= x <= WIDTH for x in places(root, "cx"))


def test_a_lower_bound_is_an_interval_without_an_end() -> None:
    rows = [
        LowerBound("good", 0.02, 0.0, passed=True),
        LowerBound("bad", -0.05, -0.02, passed=False),
        LowerBound("unknown", NAN, 0.0, passed=False),
        LowerBound("odd", 0.0, INF, passed=False),
        LowerBound("far", 1e308, -1e308, passed=True),
    ]
    root = parse(draw_lower_bounds(rows, "title"))
    assert text_of(root) == (
        "title good at least +0.0200, threshold 0 bad at least -0.0500, threshold -0.02 0"
    )
    assert [row for row in classes_of(root, "path") if row in ("good", "bad")] == [
        *("good", "good", "bad", "bad"),
    ]
    assert "nan" not in ElementTree.tostring(root, "unicode")
    parse(draw_lower_bounds([LowerBound("zero", 0.0, None, passed=True)], "title"))


def test_a_bin_of_confidence_is_a_disc_as_large_as_its_examples() -> None:
    bins = [(0.5, 0.5, 25), (0.9, 0.6, 100), (0.7, 0.7, 0), (NAN, 0.5, 3), (0.8, INF, 3)]
    bins += [(0.5, 1e300, 3), (-0.1, 0.5, 3)]
    root = parse(draw_calibration(bins, "title"))
    small, large = places(root, "r")
    assert large == 2 * small
    (x, far), (y, high) = places(root, "cx"), places(root, "cy")
    assert far > x
    assert y > high
    # A disc on the dashed line: as far from the left as from the bottom.
    assert x - MARGIN - 30 == MARGIN + SIDE - y
    assert draw_calibration(bins[2:], "title") == Markup()


def test_a_chart_of_nothing_is_empty() -> None:
    assert draw_bars([], "title") == Markup()
    assert draw_trend([Point(0, NAN)], "title", Scale(0, 1)) == Markup()
    assert draw_lower_bounds([LowerBound("a", INF, 0, passed=True)], "title") == Markup()
    assert WIDE > WIDTH
