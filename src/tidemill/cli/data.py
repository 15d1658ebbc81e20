"""`tidemill data`: check, count and keep data sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from tidemill.data.checks import Finding, find_faults
from tidemill.data.duplicates import count_duplicates
from tidemill.data.inspection import inspect
from tidemill.data.markdown import markdown
from tidemill.data.notes import notes_of
from tidemill.data.statistics import describe
from tidemill.domain.errors import NotFound
from tidemill.domain.types import Snapshot
from tidemill.screen import LISTED, OUT, Home, Json, Stages, emit, say, warn
from tidemill.settings import read_settings
from tidemill.workspace.planning import plan
from tidemill.workspace.root import open_workspace
from tidemill.workspace.training import take_snapshot

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
    chosen, experiment = plan(recipe, overrides or ())
    settings = read_settings(home=home)
    tree = experiment.tree()
    source = chosen.source(tree, settings.samples or settings.home / "samples")
    with Stages() as stages:
        source.prepare(stages.step)
        stages.stage("check")
        total = len(source)
        inspection = inspect(
            source.examples(),
            chosen.codec(tree),
            progress=lambda done: stages.step(done, total),
        )
    findings = find_faults(
        inspection,
        near_distance=experiment.checks.near_distance,
        minimum_per_class=experiment.checks.minimum_per_class,
    )
    errors = [finding for finding in findings if finding.severity == "error"]
    repeated, notes = count_duplicates(inspection), notes_of(source)
    if as_json:
        body = {"examples": len(inspection.rows), "findings": [asdict(row) for row in findings]}
        emit(body | {"duplicates": asdict(repeated), "notes": notes})
    else:
        for line in (*_listed(findings), *repeated.lines(), *notes):
            say(line)
        warnings = len(findings) - len(errors)
        say(f"{len(inspection.rows)} examples, {len(errors)} errors, {warnings} warnings")
    if errors:
        raise typer.Exit(3)


def _listed(findings: Sequence[Finding]) -> Iterator[str]:
    """The first findings of each kind, a line each, and how many more of a kind there are."""
    counts: Counter[str] = Counter()
    for finding in findings:
        counts[finding.kind] += 1
        if counts[finding.kind] <= LISTED:
            yield finding.line()
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
    chosen, experiment = plan(recipe, overrides or ())
    workspace = open_workspace(read_settings(home=home), create=True)
    with Stages() as stages:
        intake = take_snapshot(workspace, chosen, experiment, stages.told())
    if as_json:
        emit({"snapshot": intake.snapshot, "excluded": dict(intake.excluded)})
        return
    warn([finding.line() for finding in intake.findings])
    say(f"{intake.snapshot.id} with {intake.snapshot.rows} examples")


@app.command("list")
def list_(*, home: Home = None, as_json: Json = False) -> None:
    """List the snapshots, newest first.

    Example: tidemill data list
    """
    workspace = open_workspace(read_settings(home=home))
    with workspace.ledger.begin(write=False) as unit:
        snapshots = unit.latest(Snapshot)
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
    workspace = open_workspace(read_settings(home=home))
    with workspace.ledger.begin(write=False) as unit:
        known = [row.id for row in unit.latest(Snapshot, limit=10_000)]
    matching = [id for id in known if id.startswith(snapshot or "")]
    if not matching:
        raise NotFound(
            f"There is no snapshot {snapshot!r}." if snapshot else "There is no snapshot yet.",
            hint="`tidemill data list` shows what there is.",
        )
    opened = workspace.snapshots.open(matching[0])
    if as_markdown:
        OUT.print(markdown(opened), end="", markup=False, soft_wrap=True)
        return
    body = describe(opened)
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
