"""The demo's report for people: one HTML file that works offline and loads nothing."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from tidemill.demo.charts import (
    draw_accuracy,
    draw_features,
    draw_histogram,
    draw_psi,
    draw_replies,
)
from tidemill.demo.demo_run import DemoRun
from tidemill.demo.judge import DemoReport, JudgedClaim
from tidemill.demo.scenario import Scenario
from tidemill.domain.types import Example

EXAMPLES_PER_CLASS = 8
"""Examples of a class in the gallery."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""The content security policy: a browser refuses every request that the page might make."""
STYLE = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
METHOD = (
    "Claims are judged on this machine and on generated data: two at once, and those that limit "
    "seconds alone. Server, engine and trainer are processes of their own, as in production. "
    "Clients send their requests over HTTP, and the judge reads the decisions in the ledger. A "
    "claim that raises an error does not hold."
)


def render_report(report: DemoReport, demo: DemoRun) -> str:
    """Build the page: a summary, the claims with their figures, then the training data."""
    claims = "".join(_render_claim(row, demo) for row in report.judged)
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        "<meta name='color-scheme' content='light dark'>"
        f"<title>Tidemill: the demo of {escape(demo.scenario.recipe)}</title>"
        f"<style>{STYLE}</style></head><body><main>"
        f"{_render_summary(report, demo.scenario)}<section>{claims}</section>"
        f"<section>{render_gallery(demo.scenario, demo.examples())}</section>"
        "</main></body></html>\n"
    )


def _render_summary(report: DemoReport, scenario: Scenario) -> str:
    """Return the first screen: what was shown, how, and the values to remember."""
    holding = sum(row.outcome.holds for row in report.judged)
    verdict = f"{holding} of {len(report.judged)} claims hold"
    lead = (
        f"Tidemill ran its whole loop on generated {scenario.examples_noun}: it checked the data, "
        f"trained a model, served it, detected a change of the {scenario.change}, learnt from "
        "feedback, and promoted a better version. Faulty data, forged bundles and flipped labels "
        "were put in its way."
    )
    if len(report.judged) == 1:
        lead = f"Tidemill judged one claim on generated {scenario.examples_noun}."
    values = "".join(
        f"<li><strong>{escape(value)}</strong> {escape(text)}</li>"
        for value, text in _list_key_values(report, scenario)
    )
    failed = "".join(
        f"<li><a href='#{row.claim.id}'>{escape(row.claim.sentence)}</a></li>"
        for row in report.judged
        if not row.outcome.holds
    )
    return (
        f"<header class='{'holds' if report.holds else 'fails'}'><h1>{verdict}</h1><p>{lead}</p>"
        + (f"<p>These claims do not hold:</p><ul>{failed}</ul>" if failed else "")
        + (f"<ul class='values'>{values}</ul>" if values else "")
        + f"<p class='method'>{METHOD} The demo took {report.seconds:.0f} seconds.</p></header>"
    )


def _list_key_values(report: DemoReport, scenario: Scenario) -> list[tuple[str, str]]:
    series = {row.claim.id: row.outcome.series for row in report.judged if row.outcome.holds}
    values = []
    if loop := series.get("loop_closed"):
        (_, before, after), *_ = loop["accuracy"]
        change = f"accuracy after the {scenario.change} changes, before and after retraining"
        values.append((f"{before:.2f} → {after:.2f}", change))
    if drift := series.get("drift_detected"):
        values.append((str(drift["delay"]), "predictions until drift is detected"))
    if swap := series.get("hot_swap_lossless"):
        text = f"failed requests of {len(swap['replies'])} during a promotion and a rollback"
        values.append(("0", text))
    return values


def _render_claim(row: JudgedClaim, demo: DemoRun) -> str:
    verdict = "holds" if row.outcome.holds else "fails"
    word = "holds" if row.outcome.holds else "does not hold"
    figures = "".join(
        f"<figure>{figure}<figcaption>{escape(caption)}</figcaption></figure>"
        for figure, caption in _draw_figures(row, demo)
    )
    return (
        f"<article id='{row.claim.id}' class='{verdict}'>"
        f"<h2>{escape(row.claim.sentence)}</h2>"
        f"<p><b class='verdict'>{word}</b> {escape(row.outcome.value)}</p>{figures}"
        f"<details><summary>How this claim is judged</summary><p>{escape(row.claim.method)}</p>"
        f"<p>Id <code>{row.claim.id}</code>, judged in {row.seconds:.1f} seconds. Repeat it with "
        f"<code>tidemill demo --recipe {demo.scenario.recipe} --only {row.claim.id}</code>.</p>"
        "</details></article>"
    )


def _draw_figures(row: JudgedClaim, demo: DemoRun) -> Iterable[tuple[str, str]]:
    """Return the figures of a claim, each with its caption."""
    series: Mapping[str, Any] = row.outcome.series
    change = demo.scenario.change
    if "accuracy" in series:
        caption = f"Accuracy before and after retraining, on the new and on the old {change}."
        yield draw_accuracy(series["accuracy"], caption), caption
    if "windows" in series:
        caption = "The largest PSI of each drift check, over the predictions."
        yield draw_psi(series["windows"], series["threshold"], caption), caption
    if "features" in series:
        caption = f"The PSI of each feature after the {change} changed."
        yield draw_features(series["features"], series["threshold"], caption), caption
    if "replies" in series:
        caption = "Which version served each request, over time."
        yield draw_replies(series["replies"], series["changes"], caption), caption
    if "milliseconds" in series:
        caption = "How long a reply took, with four clients that wait for each reply."
        yield draw_histogram(series["milliseconds"], "ms", caption), caption
    if row.claim.id == "champion_trained":
        for image in sorted(demo.base.glob("bundles/*/confusion-*.png")):
            caption = f"Confusion matrix of bundle {image.parent.name[:12]} on the test split."
            yield _embed_png(image.read_bytes(), caption), caption


def render_gallery(scenario: Scenario, examples: Iterable[Example]) -> str:
    """Return a row of training examples for each class, behind a summary to click on."""
    classes: dict[str, list[str]] = defaultdict(list)
    for row in examples:
        rendered = classes[row.labels[min(row.labels)]]  # the first of several targets
        if row.split == "train" and len(rendered) < EXAMPLES_PER_CLASS:
            rendered.append(scenario.render(row.payload))
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{' '.join(classes[name])}</td></tr>"
        for name in sorted(classes)
    )
    caption = f"The training data: generated {scenario.examples_noun}"
    return f"<details><summary>{escape(caption)}</summary><table>{rows}</table></details>"


def _embed_png(png: bytes, caption: str) -> str:
    data = base64.b64encode(png).decode()
    return f"<img alt='{escape(caption)}' src='data:image/png;base64,{data}'>"
