"""`tidemill drift`: what the last drift check of the champion found."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from tidemill.domain.drift import DriftVerdict
from tidemill.domain.types import Run
from tidemill.loop.drift import DriftPolicy, Window, chance, sentence, window
from tidemill.loop.window import open_profiles
from tidemill.screen import OUT, Home, Json, emit
from tidemill.settings import read_settings
from tidemill.workspace.policies import policies
from tidemill.workspace.root import open_workspace

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
    workspace = open_workspace(read_settings(home=home))
    champion = workspace.champion()
    with workspace.ledger.begin(write=False) as unit:
        policy = policies(unit.get(Run, champion.run)).drift
        verdicts = unit.drift_verdicts(champion.id, limit=limit)
        alias = unit.alias("champion")
        growing = window(open_profiles(unit, alias) if alias else [], policy)
    if as_json:
        emit(
            {
                "version": champion.id,
                "policy": asdict(policy),
                "window": asdict(growing),
                "verdicts": [asdict(verdict) for verdict in verdicts],
            }
        )
        return
    if not verdicts:
        OUT.print(f"No drift check yet: {growing.n} of {policy.minimum} predictions.")
        return
    latest, *earlier = verdicts
    OUT.print(_table(latest, policy))
    OUT.print(f"{sentence(latest)}.", markup=False, soft_wrap=True)
    for verdict in earlier:
        OUT.print(f"{_found(verdict)}: {sentence(verdict)}.", markup=False, soft_wrap=True)
    OUT.print(_open(growing, policy))


def bar(psi: float, matters: float, *, drifted: bool) -> Text:
    """A bar as long as the PSI, with a mark where it begins to matter."""
    full = REACH * matters or 1.0
    filled = round(min(psi / full, 1.0) * WIDTH)
    drawn = list("━" * filled + " " * (WIDTH - filled))
    drawn[min(round(matters / full * WIDTH), WIDTH - 1)] = "│"
    return Text("".join(drawn), style="red" if drifted else "")


def _table(verdict: DriftVerdict, policy: DriftPolicy) -> Table:
    table = Table(
        "feature",
        "PSI",
        f"│ at {policy.psi:.2f}",
        "JS distance",
        "p",
        "drifted",
        title=f"{verdict.version}, {_found(verdict)}",
    )
    for row in sorted(verdict.features, key=lambda row: (row.drifted, row.psi), reverse=True):
        table.add_row(
            Text(row.feature),
            f"{row.psi:.3f}",
            bar(row.psi, policy.psi, drifted=row.drifted),
            f"{row.js:.3f}",
            chance(row.p).removeprefix("p ").removeprefix("= "),
            "yes" if row.drifted else "no",
            style="red" if row.drifted else None,
        )
    return table


def _found(verdict: DriftVerdict) -> str:
    return f"{'drift' if verdict.drifted else 'no drift'} at {verdict.at:%Y-%m-%d %H:%M:%S} UTC"


def _open(window: Window, policy: DriftPolicy) -> str:
    if window.missing:
        return f"Since then: {window.n} of {policy.minimum} predictions for the next check."
    return f"Since then: {window.n} predictions, which the next check judges."


def register(app: typer.Typer) -> None:
    app.command("drift")(drift)
