"""`tidemill models`: list, inspect, promote and roll back model versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer
from rich.markdown import Markdown
from rich.markup import escape
from rich.table import Table

from tidemill.domain.types import ModelVersion, Run, Snapshot, Verdict
from tidemill.loop.champion_history import champion_at
from tidemill.screen import OUT, Home, Json, Stages, emit, say
from tidemill.settings import read_settings
from tidemill.workspace.moment import read_moment
from tidemill.workspace.promotion import promote as promote_version
from tidemill.workspace.promotion import rollback as roll_back
from tidemill.workspace.root import Workspace, open_workspace

app = typer.Typer(
    help="List, inspect, promote and roll back model versions.\n\nExample: tidemill models list",
    no_args_is_help=True,
)
Version = Annotated[str, typer.Argument(help="A version, such as v2.")]


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
    workspace = open_workspace(read_settings(home=home))
    if at is not None:
        _list_at(workspace, read_moment(at, now=workspace.clock.now()), as_json=as_json)
        return
    with workspace.ledger.begin(write=False) as unit:
        versions = unit.latest(ModelVersion)
        runs = {version.id: unit.get(Run, version.run) for version in versions}
    aliases = _aliases(workspace)
    if as_json:
        emit({"versions": _rows(versions, runs, aliases)})
        return
    _print_versions(versions, runs, aliases)


def _list_at(workspace: Workspace, moment: datetime, *, as_json: bool) -> None:
    with workspace.ledger.begin(write=False) as unit:
        then = champion_at(unit.events(subject="champion", limit=None), moment)
        names = [then.champion, *([then.previous] if then.previous else [])]
        versions = [unit.get(ModelVersion, name) for name in names]
        runs = {version.id: unit.get(Run, version.run) for version in versions}
    aliases = {name: [alias] for name, alias in zip(names, ("champion", "previous"), strict=False)}
    if as_json:
        emit(asdict(then) | {"versions": _rows(versions, runs, aliases)})
        return
    _print_versions(versions, runs, aliases)
    why = f", by {then.actor}: {then.reason}" if then.reason else f", by {then.actor}"
    OUT.print(
        f"At {then.at:%Y-%m-%d %H:%M:%S} UTC {then.champion} was the champion, "
        f"since {then.since:%Y-%m-%d %H:%M:%S} UTC{why}.",
        markup=False,
        soft_wrap=True,
    )


def _rows(
    versions: Sequence[ModelVersion], runs: Mapping[str, Run], aliases: Mapping[str, list[str]]
) -> list[dict[str, object]]:
    """What `--json` shows of each version."""
    return [
        asdict(version)
        | {"aliases": aliases.get(version.id, []), "metrics": runs[version.id].metrics}
        for version in versions
    ]


def _print_versions(
    versions: Sequence[ModelVersion], runs: Mapping[str, Run], aliases: Mapping[str, list[str]]
) -> None:
    table = Table("version", "aliases", "test accuracy", "run", "bundle", "registered")
    for version in versions:
        metrics = runs[version.id].metrics
        accuracy = metrics.get("test", metrics.get("val", {})).get("accuracy")
        table.add_row(
            version.id,
            ", ".join(aliases.get(version.id, [])),
            "" if accuracy is None else f"{accuracy:.3f}",
            version.run[:13],
            version.bundle[:12],
            f"{version.at:%Y-%m-%d %H:%M}",
        )
    OUT.print(table)


@app.command()
def show(version: Version, *, home: Home = None, as_json: Json = False) -> None:
    """Show a version, its run and its verdicts.

    Example: tidemill models show v1
    """
    workspace = open_workspace(read_settings(home=home))
    found, run, verdicts = _records(workspace, version)
    if as_json:
        emit({"version": found, "run": run, "verdicts": verdicts})
        return
    OUT.print(f"{found.id}: bundle {found.bundle}")
    OUT.print(f"run {run.id}, snapshot {run.snapshot}, seed {run.seed}, weights {run.weights}")
    OUT.print(f"code {run.code['revision'] or 'not a git checkout'}")
    for verdict in verdicts:
        _print_verdict(verdict)


@app.command()
def card(version: Version, *, home: Home = None) -> None:
    """Print a version's card and its latest verdict, and name its images.

    Example: tidemill models card v1
    """
    workspace = open_workspace(read_settings(home=home))
    found, _, verdicts = _records(workspace, version)
    bundle = workspace.bundles.open(found.bundle)
    OUT.print(Markdown((bundle.path / "card.md").read_text(encoding="utf-8")))
    for verdict in verdicts[:1]:
        _print_verdict(verdict)
    for image in sorted(bundle.path.glob("*.png")):
        OUT.print(f"image: {image}", soft_wrap=True)


@app.command()
def promote(
    version: Version,
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
    workspace = open_workspace(read_settings(home=home))
    with workspace.ledger.begin(write=False) as unit:
        snapshot = unit.get(Snapshot, unit.get(ModelVersion, version).snapshot)
    total = snapshot.splits.get("test", 0) + snapshot.splits.get("fresh", 0)
    with Stages("judge") as stages:
        stages.step(0, total)
        verdict = promote_version(
            workspace, version, reason=reason, override=override, progress=stages.advance
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
    done = roll_back(open_workspace(read_settings(home=home)), reason=reason)
    if as_json:
        emit(
            {
                "champion": done.champion,
                "previous": done.previous,
                "quarantined": done.quarantined_feedback,
            }
        )
        return
    say(f"{done.champion} is the champion again, {done.previous} was taken back.")
    if done.quarantined_feedback:
        say(
            f"{len(done.quarantined_feedback)} feedback labels that taught it are quarantined; "
            "`tidemill feedback list --status quarantined` shows them."
        )


def _records(workspace: Workspace, name: str) -> tuple[ModelVersion, Run, list[Verdict]]:
    with workspace.ledger.begin(write=False) as unit:
        version = unit.get(ModelVersion, name)
        return version, unit.get(Run, version.run), unit.verdicts(name)


def _aliases(workspace: Workspace) -> dict[str, list[str]]:
    named: dict[str, list[str]] = {}
    with workspace.ledger.begin(write=False) as unit:
        for name in ("champion", "challenger", "previous"):
            alias = unit.alias(name)
            if alias:
                named.setdefault(alias.version, []).append(name)
    return named


def _print_verdict(verdict: Verdict) -> None:
    state = "passed" if verdict.passed else "refused"
    against = f"against {verdict.champion}" if verdict.champion else "without a champion"
    several = len({check.target for check in verdict.checks if check.target}) > 1
    table = Table(
        "check",
        *(["target"] if several else []),
        "held",
        "why",
        title=f"{verdict.version} {state} {against}, test read {verdict.test_uses} times",
    )
    for check in verdict.checks:
        held = "yes" if check.passed else "[red]no[/]"
        named = [escape(check.target)] if several else []
        table.add_row(check.name, *named, held, escape(check.reason))
    OUT.print(table)
    if verdict.override_reason:
        OUT.print(f"overridden: {verdict.override_reason}", markup=False)


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="models")
