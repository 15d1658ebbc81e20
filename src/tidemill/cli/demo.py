"""`tidemill demo`: every claim of the product, judged on generated data."""

from __future__ import annotations

import atexit
import json
import os
import sys
from typing import Annotated

import typer
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tidemill.demo.claim import Claim
from tidemill.demo.demo_run import DemoRun
from tidemill.demo.judge import (
    DemoReport,
    JudgedClaim,
    choose_claims,
    find_scenario,
    judge_claims,
)
from tidemill.demo.report import render_report
from tidemill.demo.scenarios import SCENARIOS
from tidemill.screen import OUT, SCREEN, STARTED, Home, Json, emit, say
from tidemill.settings import read_settings


def demo(
    *,
    recipe: Annotated[str, typer.Option(help=f"One of {', '.join(SCENARIOS)}.")] = "coffee",
    only: Annotated[str | None, typer.Option(help="Judge one claim, by its id.")] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Run the whole loop on generated data and judge every claim; exit code 1 when one fails.

    Example: tidemill demo --only drift_detected
    """
    claims = choose_claims(only)
    # Two trainings at once would draw their bars over one another.
    alone = len(claims) == 1
    run = DemoRun(find_scenario(recipe), read_settings(home=home), say, screen=alone)
    if only is None:
        run.clear()
    else:
        run.resume()
    # The generation of the data counts: a person waits for it like for everything else.
    run.prepare_sample()
    try:
        report = judge_claims(
            run, claims, since=STARTED, on_begin=_show_claim, on_end=_show_outcome
        )
    except KeyboardInterrupt:
        atexit.register(_leave)
        raise
    run.root.mkdir(parents=True, exist_ok=True)
    (run.root / "report.json").write_text(json.dumps(report.to_json(), indent=2) + "\n")
    (run.root / "report.html").write_text(render_report(report, run), encoding="utf-8")
    if as_json:
        emit(report.to_json())
    else:
        OUT.print(build_table(report))
    say(f"{report.seconds:.0f} s. The report with figures: {run.root / 'report.html'}")
    if not report.holds:
        raise typer.Exit(1)


def _leave() -> None:
    """End without Python's own end, in which a lane inside ONNX Runtime would abort the process.

    The processes that the lanes started end with this one.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(130)


def _show_claim(claim: Claim) -> None:
    SCREEN.print(f"begins: [bold]{claim.sentence}[/] ({claim.id})", highlight=False)


def _show_outcome(row: JudgedClaim) -> None:
    mark = "[green]holds[/]" if row.outcome.holds else "[red]DOES NOT HOLD[/]"
    sentence = f"[bold]{row.claim.sentence}[/]"
    SCREEN.print(f"{mark} after {row.seconds:.1f} s: {sentence}", highlight=False)
    SCREEN.print(Padding(Text(row.outcome.value), (0, 0, 0, 2)))


def build_table(report: DemoReport) -> Table:
    """One row per claim. It fits 80 columns, and only breaks lines between words."""
    table = Table(show_lines=True)
    table.add_column("claim", width=22)
    table.add_column("holds", width=5)
    table.add_column("measured")
    for row in report.judged:
        holds = "[green]yes[/]" if row.outcome.holds else "[red]no[/]"
        table.add_row(row.claim.sentence, holds, row.outcome.value)
    return table


def register(app: typer.Typer) -> None:
    app.command("demo")(demo)
