"""`tidemill models`: list, inspect, promote and roll back model versions."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.markdown import Markdown
from rich.markup import escape
from rich.table import Table

from tidemill import Verdict, Workspace
from tidemill.screen import OUT, Home, Json, Stages, emit, say

app = typer.Typer(
    help="List, inspect, promote and roll back model versions.\n\nExample: tidemill models list",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(metavar="VERSION", help="A version, such as v2.")]


@app.command("list")
def list_(
    *,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="Show the champion and the previous one of that time: an ISO date stands for its "
            "end in UTC, a date-time without an offset is in UTC.",
        ),
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """List the versions, newest first, with their aliases.

    Example: tidemill models list
    """
    with Workspace(home) as workspace:
        then = workspace.champion_at(at) if at else None
        versions = workspace.versions(at=then.at if then else None)
    if as_json:
        rows = [
            asdict(row.version) | {"aliases": row.aliases, "metrics": row.run.metrics}
            for row in versions
        ]
        emit((asdict(then) if then else {}) | {"versions": rows})
        return
    table = Table("version", "aliases", "test accuracy", "run", "bundle", "registered")
    for row in versions:
        table.add_row(
            row.id,
            ", ".join(row.aliases),
            "" if row.accuracy is None else f"{row.accuracy:.3f}",
            row.version.run[:13],
            row.version.bundle[:12],
            f"{row.version.at:%Y-%m-%d %H:%M}",
        )
    OUT.print(table)
    if then:
        why = f", by {then.actor}: {then.reason}" if then.reason else f", by {then.actor}"
        OUT.print(
            f"At {then.at:%Y-%m-%d %H:%M:%S} UTC {then.champion} was the champion, "
            f"since {then.since:%Y-%m-%d %H:%M:%S} UTC{why}.",
            markup=False,
            soft_wrap=True,
        )


@app.command()
def show(version: Name, *, home: Home = None, as_json: Json = False) -> None:
    """Show a version, its run and its verdicts.

    Example: tidemill models show v1
    """
    with Workspace(home) as workspace:
        row = workspace.version(version)
    run = row.run
    if as_json:
        emit({"version": row.version, "run": run, "verdicts": row.verdicts})
        return
    OUT.print(f"{row.id}: bundle {row.version.bundle}")
    OUT.print(f"run {run.id}, snapshot {run.snapshot}, seed {run.seed}, weights {run.weights}")
    OUT.print(f"code {run.code['revision'] or 'not a git checkout'}")
    for verdict in row.verdicts:
        _print_verdict(verdict)


@app.command("card")
def show_card(version: Name, *, home: Home = None, as_json: Json = False) -> None:
    """Print a version's card and its latest verdict, and name its images.

    Example: tidemill models card v1
    """
    with Workspace(home) as workspace:
        verdicts = workspace.version(version).verdicts[:1]
        card = workspace.card(version)
    if as_json:
        verdict = verdicts[0] if verdicts else None
        body = {"version": version, "card": card.text, "images": card.images, "verdict": verdict}
        emit(body)
        return
    OUT.print(Markdown(card.text))
    for verdict in verdicts:
        _print_verdict(verdict)
    for image in card.images:
        OUT.print(f"image: {image}", soft_wrap=True)


@app.command()
def promote(
    version: Name,
    *,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    override: Annotated[
        str, typer.Option(help="Promote whatever the gate says, for this reason.")
    ] = "",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Judge a version against the champion and, if it passes, make it champion.

    Example: tidemill models promote v2 --reason "more leaves"
    """
    with Workspace(home) as workspace, Stages("judge") as stages:
        verdict = workspace.promote(
            version, reason=reason, override=override, progress=stages.progress()
        )
    if as_json:
        emit({"champion": version, "verdict": verdict})
        return
    _print_verdict(verdict)
    say(f"{version} is the champion; a running server follows within a second.")


@app.command()
def rollback(
    *,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "rolled back by hand",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Serve the previous champion again.

    Example: tidemill models rollback --reason "complaints from the field"
    """
    with Workspace(home) as workspace:
        moved = workspace.rollback(reason=reason)
    if as_json:
        emit(
            {
                "champion": moved.champion,
                "previous": moved.previous,
                "quarantined": moved.quarantined_feedback,
            }
        )
        return
    say(f"{moved.champion} is the champion again, {moved.previous} was taken back.")
    if moved.quarantined_feedback:
        say(
            f"{len(moved.quarantined_feedback)} feedback labels that taught it are quarantined; "
            "`tidemill feedback list --status quarantined` shows them."
        )


def _print_verdict(verdict: Verdict) -> None:
    state = "passed" if verdict.passed else "refused"
    against = f"against {verdict.champion}" if verdict.champion else "without a champion"
    several = len({check.target for check in verdict.checks if check.target}) > 1
    table = Table(
        "check",
        *(["target"] if several else []),
        "passed",
        "why",
        title=f"{verdict.version} {state} {against}, test read {verdict.test_uses} times",
    )
    for check in verdict.checks:
        passed = "yes" if check.passed else "[red]no[/]"
        named = [escape(check.target)] if several else []
        table.add_row(check.name, *named, passed, escape(check.reason))
    OUT.print(table)
    if verdict.override_reason:
        OUT.print(f"overridden: {verdict.override_reason}", markup=False)


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="models")
