"""The demo's report page and its table: their structure, and where they fit."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tidemill.cli.demo import build_table
from tidemill.demo.claim import Claim, Outcome
from tidemill.demo.demo_run import DemoRun
from tidemill.demo.judge import CLAIMS, DemoReport, JudgedClaim
from tidemill.demo.report import render_report
from tidemill.demo.scenarios import SCENARIOS
from tidemill.settings import read_settings

SERIES: dict[str, dict[str, Any]] = {
    "no_false_drift": {"windows": [(250, 0.05, False), (500, 0.08, False)], "threshold": 0.2},
    "drift_detected": {
        "windows": [(300, 0.05, False), (502, 1.4, True)],
        "threshold": 0.2,
        "delay": 202,
        "features": [("red", 1.4, True), ("<script>", 0.1, False)],
    },
    "loop_closed": {
        "accuracy": [["new camera", 0.41, 0.93], ["old camera", 0.95, 0.94]],
        "replies": [[-0.5, "v1"], [12.0, "v2"]],
        "changes": [[0.0, "the camera changes"], [11.0, "v2 serves"]],
    },
    "hot_swap_lossless": {
        "replies": [[0.1, "v1"], [0.6, "v2"], [0.9, "v1"]],
        "changes": [[0.5, "v2 promoted"], [0.8, "rolled back"]],
    },
    "predictions_durable": {"milliseconds": [4.0, 5.5, 30.0]},
}
LONG = "Accuracy on the new camera rises from 0.413 to 0.930; prediction.disease moved most."


class Page(HTMLParser):
    """The tags of a page, each with its attributes, and the text of each kind of tag."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


@pytest.fixture
def demo(tmp_path: Path) -> DemoRun:
    """A demo whose sample has its examples, but no workspace."""
    run = DemoRun(SCENARIOS["sentiment"], read_settings(home=tmp_path), lambda _line: None)
    run.prepare_sample()
    return run


def judged(claim: Claim, *, holds: bool = True) -> JudgedClaim:
    return JudgedClaim(claim, Outcome(holds, LONG, SERIES.get(claim.id, {})), 1.5)


def all_claims() -> DemoReport:
    return DemoReport(200.0, [judged(claim) for claim in CLAIMS])


def test_the_page_has_a_summary_and_an_article_for_each_claim(demo: DemoRun) -> None:
    html = render_report(all_claims(), demo)
    page = Page(html)
    summary = html[: html.index("</header>")]
    assert "15 of 15 claims hold" in summary
    assert "0.41 → 0.93" in summary
    assert "202" in summary
    assert [attrs["id"] for tag, attrs in page.tags if tag == "article"] == [
        claim.id for claim in CLAIMS
    ]
    # One for each claim, and one for the training data.
    assert page.count("details") == len(CLAIMS) + 1


def test_each_series_of_a_claim_becomes_a_figure_with_a_caption(demo: DemoRun) -> None:
    page = Page(render_report(all_claims(), demo))
    drawn = [set(series) - {"threshold", "delay", "changes"} for series in SERIES.values()]
    assert page.count("svg") == sum(map(len, drawn)) == 7
    assert page.count("figcaption") == page.count("figure") == 7
    views = [attrs["viewbox"] for tag, attrs in page.tags if tag == "svg"]
    assert all(re.fullmatch(r"0 0 480 \d+", str(view)) for view in views)


def test_the_page_loads_nothing_and_fits_a_phone(demo: DemoRun) -> None:
    html = render_report(all_claims(), demo)
    page = Page(html)
    assert "://" not in html
    assert "@import" not in html
    assert "url(" not in html
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    metas = [attrs for tag, attrs in page.tags if tag == "meta"]
    [policy] = [row["content"] for row in metas if "http-equiv" in row]
    assert str(policy).startswith("default-src 'none'")
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in metas
    assert {"name": "color-scheme", "content": "light dark"} in metas
    assert "prefers-color-scheme: dark" in html


def test_a_failed_claim_is_named_in_the_summary(demo: DemoRun) -> None:
    rows = [judged(claim, holds=claim.id != "loop_closed") for claim in CLAIMS]
    html = render_report(DemoReport(200.0, rows), demo)
    summary = html[: html.index("</header>")]
    assert "14 of 15 claims hold" in summary
    assert "href='#loop_closed'" in summary
    # The values of the summary are those of claims that hold.
    assert "0.41 → 0.93" not in summary
    assert html.count("does not hold</b>") == 1


def test_text_of_a_claim_is_escaped(demo: DemoRun) -> None:
    claim = Claim("id", "<b>a</b> & b", "<i>method</i>", lambda _demo: Outcome(True, ""))
    row = JudgedClaim(claim, Outcome(False, "<script>alert(1)</script>"), 0.1)
    page = Page(render_report(DemoReport(1.0, [row]), demo))
    assert not {"script", "i"} & {tag for tag, _ in page.tags}


def test_the_table_fits_80_columns_and_breaks_lines_between_words() -> None:
    report = all_claims()
    output = StringIO()
    Console(file=output, width=80).print(build_table(report))
    lines = output.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    cells = {word for line in lines for word in re.split(r"[│┃\s]+", line)}
    for row in report.judged:
        words = {*row.claim.sentence.split(), *row.outcome.value.split()}
        assert words <= cells


def test_a_warning_is_shown_once(demo: DemoRun) -> None:
    assert demo.select_new_warnings(["a", "b"]) == ["a", "b"]
    assert demo.select_new_warnings(["b", "c"]) == ["c"]
    assert demo.select_new_warnings(["a", "b", "c"]) == []
