"""The drift service of the sentiment system: what the ledger's verdicts say, as JSON and a page.

Nothing is computed here but sums. Where too few predictions were judged, the report says so.
"""

from __future__ import annotations

import html
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from tidemill.domain.drift import DriftVerdict
from tidemill.domain.errors import Unavailable
from tidemill.recipes.routes import DriftState, Server

MOST = 10_000
WINDOWS = 100
"""Verdicts that one report reads; of the default policy, each is on 200 predictions or more."""

Wanted = Annotated[
    int, Query(alias="n_predictions", ge=1, le=MOST, description="How many, newest first.")
]
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Drift of {version}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto }}
td, th {{ padding: .2rem 1.2rem .2rem 0; text-align: left }}
</style></head>
<body><h1>Drift of {version}</h1><p>{message}</p>{tables}</body></html>
"""


class Health(BaseModel):
    status: str


class Stats(BaseModel):
    """The champion's predictions: all, those that no check has judged, and how those came out."""

    version: str
    total_predictions: int
    unjudged: int
    needed: int | None
    labels: dict[str, int]
    last_check: datetime | None
    drifted: bool | None


class Report(BaseModel):
    """The newest verdicts that together judged as many predictions as were asked for, or all.

    `drifted` says whether any of them found drift; null when there is none.
    """

    version: str
    n_predictions: int
    judged: int
    unjudged: int
    needed: int | None
    drifted: bool | None
    message: str
    verdicts: list[DriftVerdict]


def report(state: DriftState, wanted: int) -> Report:
    """What is known of the latest `wanted` predictions."""
    shown: list[DriftVerdict] = []
    for verdict in state.verdicts:
        if sum(one.n for one in shown) >= wanted:
            break
        shown.append(verdict)
    judged = sum(one.n for one in shown)
    return Report(
        version=state.version,
        n_predictions=wanted,
        judged=judged,
        unjudged=state.unjudged_count,
        needed=state.minimum,
        drifted=any(one.drifted for one in shown) if shown else None,
        message=_message(state, judged, wanted),
        verdicts=shown,
    )


def _message(state: DriftState, judged: int, wanted: int) -> str:
    need = f", which needs {state.minimum}" if state.minimum is not None else ""
    waiting = f"{state.unjudged_count} wait for the next check{need}."
    if not judged:
        return f"No check has judged the predictions of {state.version} yet: {waiting}"
    few = f", fewer than the {wanted} asked for" if judged < wanted else ""
    return f"The latest checks of {state.version} judged {judged} predictions{few}. {waiting}"


def page(told: Report) -> str:
    """The report for people. It asks nothing off the machine."""
    return PAGE.format(
        version=html.escape(told.version),
        message=html.escape(told.message),
        tables="\n".join(_table(verdict) for verdict in told.verdicts),
    )


def _table(verdict: DriftVerdict) -> str:
    rows = [("feature", "PSI", "Jensen-Shannon", "p", "")] + [
        (row.feature, f"{row.psi:.3f}", f"{row.js:.3f}", f"{row.p:.4f}", _word(row.drifted))
        for row in verdict.features
    ]
    cells = [f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows]
    head = (
        f"{_word(verdict.drifted)}: {verdict.n} predictions until {verdict.until:%Y-%m-%d %H:%M}, "
        f"against {verdict.reference} held-out examples"
    )
    return f"<h2>{html.escape(head)}</h2><table>{''.join(cells)}</table>"


def _word(drifted: bool) -> str:
    return "drift" if drifted else "no drift"


def add(router: APIRouter, server: Server, target: str) -> None:
    """Give `router` the four routes. While no champion is served, each answers 503."""

    @router.get("/health", summary="Healthy means that a proved model answers.")
    def health() -> Health:
        if not server.ready():
            raise Unavailable("No proved model is being served.", hint="GET /v1/ready says why.")
        return Health(status="healthy")

    @router.get("/stats", summary="How many predictions there are, and how they came out.")
    def stats() -> Stats:
        state = server.drift_state(limit=1)
        latest = next(iter(state.verdicts), None)
        return Stats(
            version=state.version,
            total_predictions=state.prediction_count,
            unjudged=state.unjudged_count,
            needed=state.minimum,
            labels=dict(state.label_counts[target]),
            last_check=latest.at if latest else None,
            drifted=latest.drifted if latest else None,
        )

    @router.get("/report", summary="The drift verdicts as a page.", response_class=HTMLResponse)
    def as_page(wanted: Wanted = 100) -> HTMLResponse:
        return HTMLResponse(page(report(server.drift_state(limit=WINDOWS), wanted)))

    @router.get("/report/json", summary="The drift verdicts.")
    def as_json(wanted: Wanted = 100) -> Report:
        return report(server.drift_state(limit=WINDOWS), wanted)
