"""The drift service of the original sentiment system: the drift verdicts as JSON and as a page.

It computes only sums. The report says when the verdicts cover too few predictions.
"""

from __future__ import annotations

import html
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from tidemill.domain.drift import DriftVerdict
from tidemill.recipes.routes import DriftState, Server
from tidemill.recipes.shared.health import HEALTH_SUMMARY, Health, check_health

MAX_PREDICTIONS = 10_000
MAX_VERDICTS = 100
"""Verdicts that one report reads. With the default policy each covers at least 200 predictions."""

PredictionCount = Annotated[
    int,
    Query(alias="n_predictions", ge=1, le=MAX_PREDICTIONS, description="How many, newest first."),
]
REPORT_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Drift of {version}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto }}
td, th {{ padding: .2rem 1.2rem .2rem 0; text-align: left }}
</style></head>
<body><h1>Drift of {version}</h1><p>{message}</p>{tables}</body></html>
"""


class PredictionStats(BaseModel):
    """How many predictions the champion has made, how many no verdict covers, and their labels."""

    version: str
    total_predictions: int
    unjudged: int
    needed: int | None
    labels: dict[str, int]
    last_check: datetime | None
    drifted: bool | None


class DriftServiceReport(BaseModel):
    """The newest verdicts that together cover the requested predictions, or all verdicts.

    `drifted` says whether any of them found drift; null when there is no verdict.
    """

    version: str
    n_predictions: int
    judged: int
    unjudged: int
    needed: int | None
    drifted: bool | None
    message: str
    verdicts: list[DriftVerdict]


def build_report(state: DriftState, count: int) -> DriftServiceReport:
    """Return the report on the latest `count` predictions."""
    verdicts: list[DriftVerdict] = []
    for verdict in state.verdicts:
        if sum(row.n for row in verdicts) >= count:
            break
        verdicts.append(verdict)
    judged = sum(row.n for row in verdicts)
    return DriftServiceReport(
        version=state.version,
        n_predictions=count,
        judged=judged,
        unjudged=state.unjudged_count,
        needed=state.minimum,
        drifted=any(row.drifted for row in verdicts) if verdicts else None,
        message=_message(state, judged, count),
        verdicts=verdicts,
    )


def _message(state: DriftState, judged: int, count: int) -> str:
    minimum = f", which needs {state.minimum}" if state.minimum is not None else ""
    waiting = f"{state.unjudged_count} predictions wait for the next check{minimum}."
    if not judged:
        return f"No check covers the predictions of {state.version} yet: {waiting}"
    few = f", fewer than the requested {count}" if judged < count else ""
    return f"The latest checks of {state.version} cover {judged} predictions{few}. {waiting}"


def render_drift_page(report: DriftServiceReport) -> str:
    """Return the report as a page, which loads nothing from other machines."""
    return REPORT_PAGE.format(
        version=html.escape(report.version),
        message=html.escape(report.message),
        tables="\n".join(_table(verdict) for verdict in report.verdicts),
    )


def _table(verdict: DriftVerdict) -> str:
    rows = [("feature", "PSI", "Jensen-Shannon", "p", "")] + [
        (row.feature, f"{row.psi:.3f}", f"{row.js:.3f}", f"{row.p:.4f}", _drift_word(row.drifted))
        for row in verdict.features
    ]
    cells = [f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows]
    head = (
        f"{_drift_word(verdict.drifted)}: {verdict.n} predictions "
        f"until {verdict.until:%Y-%m-%d %H:%M}, against {verdict.reference} held-out examples"
    )
    return f"<h2>{html.escape(head)}</h2><table>{''.join(cells)}</table>"


def _drift_word(drifted: bool) -> str:
    return "drift" if drifted else "no drift"


def add_drift_routes(router: APIRouter, server: Server, target: str) -> None:
    """Add the four routes to `router`. Each returns 503 while no champion is served."""

    @router.get("/health", summary=HEALTH_SUMMARY)
    def health() -> Health:
        return check_health(server)

    @router.get("/stats", summary="Count the predictions and their labels.")
    def stats() -> PredictionStats:
        state = server.drift_state(limit=1)
        latest = next(iter(state.verdicts), None)
        return PredictionStats(
            version=state.version,
            total_predictions=state.prediction_count,
            unjudged=state.unjudged_count,
            needed=state.minimum,
            labels=dict(state.label_counts[target]),
            last_check=latest.at if latest else None,
            drifted=latest.drifted if latest else None,
        )

    @router.get(
        "/report", summary="Show the drift verdicts as a page.", response_class=HTMLResponse
    )
    def as_page(count: PredictionCount = 100) -> HTMLResponse:
        return HTMLResponse(
            render_drift_page(build_report(server.drift_state(limit=MAX_VERDICTS), count))
        )

    @router.get("/report/json", summary="Return the drift verdicts.")
    def as_json(count: PredictionCount = 100) -> DriftServiceReport:
        return build_report(server.drift_state(limit=MAX_VERDICTS), count)
