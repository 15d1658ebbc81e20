"""The demo's report for people: one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterable
from html import escape
from io import BytesIO
from typing import Any

from matplotlib.figure import Figure

from tidemill.demo.demo_run import Stage
from tidemill.demo.judge import Judged, Story
from tidemill.demo.scenario import World
from tidemill.domain.types import Example

INK, BLUE, RED = "#1f2933", "#2f6f9f", "#d1495b"
EACH = 8
"""Examples of a class in the gallery."""

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2933; max-width: 60rem; margin: 2rem auto;
       padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .5rem; border-bottom: 1px solid #d9e2ec; }
.yes { color: #1a7f4b; } .no { color: #b3261e; font-weight: bold; }
img { max-width: 100%; } figure { margin: 2rem 0; } figcaption { color: #52606d; }
"""


def render(story: Story, stage: Stage) -> str:
    """The page: the claims with their figures, then what there is to look at."""
    verdict = "Every claim held." if story.held else "Not every claim held."
    rows = "\n".join(_row(row) for row in story.judged)
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Tidemill: the story</title>"
        f"<style>{STYLE}</style><h1>{verdict}</h1>"
        f"<p>{len(story.judged)} claims judged in {story.seconds:.0f} seconds on this machine.</p>"
        "<table><tr><th>claim</th><th>held</th><th>figure</th><th>seconds</th></tr>"
        f"{rows}</table>{''.join(_figures(story, stage))}</html>\n"
    )


def _row(row: Judged) -> str:
    held = ("yes", "yes") if row.outcome.held else ("no", "NO")
    return (
        f"<tr><td>{escape(row.claim.sentence)}<br><code>{row.claim.id}</code></td>"
        f"<td class='{held[0]}'>{held[1]}</td><td>{escape(row.outcome.figure)}</td>"
        f"<td>{row.seconds:.1f}</td></tr>"
    )


def _figures(story: Story, stage: Stage) -> list[str]:
    rows = {row.claim.id: row.outcome.rows for row in story.judged}
    change = stage.world.change
    figures = [gallery(stage.world, stage.examples())]
    for image in sorted(stage.base.glob("bundles/*/confusion-*.png")):
        figures.append(_shown(image.read_bytes(), f"Bundle {image.parent.name[:12]} on test"))
    if swap := rows.get("swap_unnoticed"):
        figures.append(_shown(swap_figure(swap), "Which version answered, request by request"))
    if kept := rows.get("answers_kept"):
        caption = "How long an answer took, 4 closed-loop clients"
        figures.append(_shown(latency_figure(kept["milliseconds"]), caption))
    if drift := rows.get("drift_noticed"):
        caption = f"How far each feature moved when the {change} changed; red ones are called drift"
        figures.append(_shown(drift_figure(drift["features"], drift["matters"]), caption))
    if turned := rows.get("mill_turned"):
        caption = f"Which version answered while the mill turned, from the change of {change} on"
        figures.append(_shown(swap_figure(turned), caption))
    return figures


def gallery(world: World, examples: Iterable[Example]) -> str:
    """A row of what a model learns from for each class."""
    classes: dict[str, list[str]] = defaultdict(list)
    for row in examples:
        shown = classes[row.labels[min(row.labels)]]  # of several targets one tells them apart
        if row.split == "train" and len(shown) < EACH:
            shown.append(world.show(row.payload))
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{' '.join(classes[name])}</td></tr>"
        for name in sorted(classes)
    )
    caption = f"What the champion learns from: generated {world.items}"
    return f"<figure><table>{rows}</table><figcaption>{escape(caption)}</figcaption></figure>"


def swap_figure(rows: dict[str, Any]) -> bytes:
    """One dot per answer on the row of its version, and a line per change of champion."""
    figure = Figure(figsize=(9, 2.2), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    versions = sorted({version for _, version in rows["answers"]})
    for version, colour in zip(versions, (BLUE, RED), strict=False):
        at = [second for second, said in rows["answers"] if said == version]
        axes.plot(at, [versions.index(version)] * len(at), "|", color=colour, markersize=14)
    for second, name in rows["moves"]:
        axes.axvline(second, color=INK, linewidth=1)
        axes.annotate(f" {name}", (second, len(versions) - 0.62), fontsize=8)
    axes.set_yticks(range(len(versions)), versions)
    axes.set_ylim(-0.5, len(versions) - 0.4)
    axes.set_xlabel("seconds")
    return _png(figure)


def drift_figure(features: list[tuple[str, float, bool]], matters: float) -> bytes:
    """A bar for each feature's PSI, and a line where it begins to matter."""
    figure = Figure(figsize=(9, 0.3 * len(features) + 0.6), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    names, distances, drifted = zip(*reversed(features), strict=True)
    axes.barh(names, distances, color=[RED if moved else BLUE for moved in drifted])
    axes.axvline(matters, color=INK, linewidth=1)
    axes.set_xlabel("PSI")
    axes.tick_params(axis="y", labelsize=8)
    return _png(figure)


def latency_figure(milliseconds: list[float]) -> bytes:
    """How answers spread over time taken."""
    figure = Figure(figsize=(9, 2.2), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.hist(milliseconds, bins=60, color=BLUE)
    axes.set(xlabel="milliseconds", ylabel="answers")
    return _png(figure)


def _png(figure: Figure) -> bytes:
    target = BytesIO()
    figure.savefig(target, format="png")
    return target.getvalue()


def _shown(png: bytes, caption: str) -> str:
    data = base64.b64encode(png).decode()
    return (
        f"<figure><img alt='{escape(caption)}' src='data:image/png;base64,{data}'>"
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
