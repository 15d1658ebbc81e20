"""`tidemill drift`: what the last drift check of the champion found."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from tidemill import DriftVerdict, Workspace
from tidemill.screen import OUT, Home, Json, emit

WIDTH = 24
"""Characters of the longest bar."""
REACH = 4
"""How many times the PSI that matters a bar can show; the figure beside it has no bound."""


def drift(
    *,
    limit: Annotated[
        int, typer.Option(min=1, help="How many of the last checks; the latest is shown in full.")
    ] = 5,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Show what the last drift check found, feature by feature.

    Example: tidemill drift
    """
    with Workspace(home) as workspace:
        report = workspace.drift(limit=limit)
    if as_json:
        emit(asdict(report))
        return
    if not report.verdicts:
        n, minimum = report.window.n, report.policy.minimum
        OUT.print(f"No drift check yet: {n} of {minimum} predictions.")
        return
    latest, *earlier = report.verdicts
    OUT.print(_table(latest, report.policy.psi))
    OUT.print(f"{latest.summary}.", markup=False, soft_wrap=True)
    for verdict in earlier:
        OUT.print(f"{_result(verdict)}: {verdict.summary}.", markup=False, soft_wrap=True)
    OUT.print(_open_window(report.window.n, report.window.missing, report.policy.minimum))


def bar(psi: float, matters: float, *, drifted: bool) -> Text:
    """A bar as long as the PSI, with a mark where it begins to matter."""
    full = REACH * matters or 1.0
    filled = round(min(psi / full, 1.0) * WIDTH)
    drawn = list("━" * filled + " " * (WIDTH - filled))
    drawn[min(round(matters / full * WIDTH), WIDTH - 1)] = "│"
    return Text("".join(drawn), style="red" if drifted else "")


def _table(verdict: DriftVerdict, matters: float) -> Table:
    table = Table(
        "feature",
        "PSI",
        f"│ at {matters:.2f}",
        "JS distance",
        "p",
        "drifted",
        title=f"{verdict.version}, {_result(verdict)}",
    )
    for row in sorted(verdict.features, key=lambda row: (row.drifted, row.psi), reverse=True):
        table.add_row(
            Text(row.feature),
            f"{row.psi:.3f}",
            bar(row.psi, matters, drifted=row.drifted),
            f"{row.js:.3f}",
            row.chance.removeprefix("p ").removeprefix("= "),
            "yes" if row.drifted else "no",
            style="red" if row.drifted else None,
        )
    return table


def _result(verdict: DriftVerdict) -> str:
    return f"{'drift' if verdict.drifted else 'no drift'} at {verdict.at:%Y-%m-%d %H:%M:%S} UTC"


def _open_window(n: int, missing: int, minimum: int) -> str:
    if missing:
        return f"Since then: {n} of {minimum} predictions for the next check."
    return f"Since then: {n} predictions, which the next check judges."


def register(app: typer.Typer) -> None:
    app.command("drift")(drift)
