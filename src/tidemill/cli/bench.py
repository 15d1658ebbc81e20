"""`tidemill bench`: measure a server under load."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from tidemill import LoadReport, Workspace, errors, run_load_test
from tidemill.screen import OUT, Home, Json, Stages, emit, say

app = typer.Typer(
    help="Measure a server under load.\n\nExample: tidemill bench load coffee",
    no_args_is_help=True,
)

_TIME = re.compile(r"(\d+(?:\.\d+)?)(s|m)?")


@app.command("load")
def load(
    target: Annotated[str, typer.Argument(help="The server's URL, or a recipe to serve here.")],
    *,
    users: Annotated[int, typer.Option(min=1, help="How many users ask at once.")] = 50,
    time: Annotated[str, typer.Option(help="How long all steps take, such as 60s or 5m.")] = "60s",
    slo: Annotated[
        list[str] | None,
        typer.Option(help="An objective: p95<=300ms, rate>=20/s, failures<=0%; may come again."),
    ] = None,
    payload: Annotated[
        list[Path] | None, typer.Option(help="A file to send to /v1/predict; may come again.")
    ] = None,
    locustfile: Annotated[
        Path | None, typer.Option(help="Your own users, as Locust reads them.")
    ] = None,
    pause: Annotated[
        bool, typer.Option("--pause/--no-pause", help="Users pause between two requests.")
    ] = True,
    html: Annotated[Path, typer.Option(help="Where Locust's report goes.")] = Path("load.html"),
    key: Annotated[
        str, typer.Option(help="The server's API key.", envvar="TIDEMILL_KEY", show_envvar=True)
    ] = "",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Load a server with Locust and judge it by objectives; exit code 1 when one is missed.

    Example: tidemill bench load coffee --users 50 --time 60s --slo 'p95<=300ms'
    """
    seconds = _seconds(time)
    with _server(target, home) as url, Stages("load") as stages:
        report = run_load_test(
            url,
            users=users,
            seconds=seconds,
            slo=slo or ["failures<=0%"],
            payloads=payload or (),
            locustfile=locustfile,
            pause=pause,
            key=key,
            html=html,
            progress=stages.progress(),
        )
    if as_json:
        emit(report.to_json() | {"html": str(html)})
    else:
        _show(report, html)
    if not report.passed:
        raise typer.Exit(1)


@contextmanager
def _server(target: str, home: Path | None) -> Iterator[str]:
    """Yield the URL; a recipe's champion is served as long as the block runs."""
    if "://" in target:
        yield target
        return
    with Workspace(home) as workspace:
        name = workspace.recipe.name
        if name != target:
            raise errors.UsageError(
                f"{workspace.home} belongs to the recipe {name}, not to {target}.",
                hint="Choose its folder with --home, or give the URL of a server.",
            )
        with workspace.serve() as server:
            yield server.url


def _seconds(text: str) -> float:
    match = _TIME.fullmatch(text)
    seconds = float(match[1]) * (60 if match[2] == "m" else 1) if match else 0.0
    if not seconds:
        raise errors.UsageError(f"{text!r} is no time.", hint="Write 60s or 5m.")
    return seconds


def _show(report: LoadReport, html: Path) -> None:
    table = Table(title=report.url)
    for column in ("users", "requests", "failures", "req/s", "p50 ms", "p95 ms", "p99 ms"):
        table.add_column(column, justify="right")
    for step in report.steps:
        times = (f"{step.figure(name):.1f}" for name in ("p50", "p95", "p99"))
        counts = (str(step.users), str(step.requests), str(step.failures), f"{step.rate:.1f}")
        table.add_row(*counts, *times)
    OUT.print(table)
    for fault, count in sorted(report.faults.items(), key=lambda row: -row[1])[:5]:
        say(f"{count} x {fault}")
    if report.knee:
        users = "1 user" if report.knee == 1 else f"{report.knee} users"
        OUT.print(f"Knee: beyond {users} the rate stops following the users.")
    else:
        OUT.print(f"Knee: none up to {report.last.users} users.")
    if report.passed:
        OUT.print("Every objective is met.")
    for objective in report.missed:
        OUT.print(f"Missed: {objective}", markup=False)
    say(f"{html} has Locust's report.")


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="bench")
