"""`tidemill data`: check, count and keep data sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from tidemill import Workspace
from tidemill.screen import LISTED, OUT, Home, Json, Stages, emit, say, warn

app = typer.Typer(
    help="Check, count and keep data sets.\n\nExample: tidemill data check coffee data=folder "
    "data.path=leaves",
    no_args_is_help=True,
)


RecipeName = Annotated[str, typer.Argument(help="The recipe, such as coffee or sentiment.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="Experiment settings, KEY=VALUE.")]


@app.command()
def check(
    recipe: RecipeName, overrides: Overrides = None, *, home: Home = None, as_json: Json = False
) -> None:
    """Look for every known fault and change nothing; exit code 3 when there is one.

    Example: tidemill data check sentiment data=files data.path=rows.csv
    """
    with Workspace(home, recipe) as workspace, Stages() as stages:
        report = workspace.check(*overrides or (), progress=stages.progress())
    errors, warnings = report.errors, report.warnings
    if as_json:
        findings = [asdict(row) for row in report.findings]
        body = {"examples": report.examples, "findings": findings, "counts": report.counts}
        left_out = {"notes": report.notes, "ignored_files": report.ignored_files}
        emit(body | {"duplicates": asdict(report.duplicates)} | left_out)
    else:
        shown = first_lines((row.kind, row.line()) for row in report.findings)
        for line in (*shown, *report.duplicates.lines(), *report.notes):
            say(line)
        say(f"{report.examples} examples, {len(errors)} errors, {len(warnings)} warnings")
    if errors:
        raise typer.Exit(3)


def first_lines(findings: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The first lines of each kind, and how many more of a kind there are."""
    counts: Counter[str] = Counter()
    for kind, line in findings:
        counts[kind] += 1
        if counts[kind] <= LISTED:
            yield line
    for kind, count in counts.items():
        if count > LISTED:
            yield f"... and {count - LISTED} more [{kind}]; --json lists them all"


@app.command()
def snapshot(
    recipe: RecipeName, overrides: Overrides = None, *, home: Home = None, as_json: Json = False
) -> None:
    """Check the data and keep it as a snapshot.

    Example: tidemill data snapshot lucky data=files data.path=ethics
    """
    with Workspace(home, recipe) as workspace, Stages() as stages:
        imported = workspace.snapshot(*overrides or (), progress=stages.progress())
    if as_json:
        body = {"snapshot": imported.snapshot, "excluded": dict(imported.excluded)}
        emit(body | {"notes": imported.notes, "ignored_files": imported.ignored_files})
        return
    warn([*imported.notes, *(finding.line() for finding in imported.findings)])
    say(f"{imported.snapshot.id} with {imported.snapshot.rows} examples")


@app.command("list")
def list_(*, home: Home = None, as_json: Json = False) -> None:
    """List the snapshots, newest first.

    Example: tidemill data list
    """
    with Workspace(home) as workspace:
        snapshots = workspace.list_snapshots()
    if as_json:
        emit({"snapshots": snapshots})
        return
    table = Table("snapshot", "recipe", "examples", "splits", "taken")
    for row in snapshots:
        splits = ", ".join(f"{name} {count}" for name, count in row.splits.items())
        table.add_row(row.id[:12], row.recipe, str(row.rows), splits, f"{row.at:%Y-%m-%d %H:%M}")
    OUT.print(table)


@app.command()
def stats(
    snapshot: Annotated[
        str | None, typer.Argument(help="A snapshot's id or how it begins; else the latest.")
    ] = None,
    *,
    home: Home = None,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, as for a pull request.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Count a snapshot's examples per split and label.

    Example: tidemill data stats --markdown
    """
    with Workspace(home) as workspace:
        if as_markdown:
            text = workspace.snapshot_markdown(snapshot or "")
            OUT.print(text, end="", markup=False, soft_wrap=True)
            return
        body = workspace.describe_snapshot(snapshot or "")
    if as_json:
        emit(body)
        return
    for split, counted in body["splits"].items():
        for target, labels in counted["labels"].items():
            table = Table("label", "examples", title=f"{split}: {counted['rows']} ({target})")
            for label, count in labels.items():
                table.add_row(label, str(count))
            OUT.print(table)


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="data")
