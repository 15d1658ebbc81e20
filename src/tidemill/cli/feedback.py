"""`tidemill feedback`: list feedback, and accept or reject it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal

import typer
from rich.table import Column, Table
from rich.text import Text

from tidemill import Engine, Feedback, Workspace, errors
from tidemill.screen import OUT, Home, Json, emit, printable, say

app = typer.Typer(
    help="List feedback, and accept or reject it.\n\nExample: tidemill feedback list",
    no_args_is_help=True,
)
Reason = Annotated[str, typer.Option(help="Why, for the record.")]
Names = Annotated[
    list[str] | None,
    typer.Argument(help="Names of the table and its columns, as feedback.KEY=NAME."),
]
Status = Literal["pending", "accepted", "rejected", "superseded", "quarantined"]


@app.command("list")
def list_(
    *,
    status: Annotated[Status | None, typer.Option(help="Only these, the oldest first.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 100,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """List feedback and its status, newest first.

    Example: tidemill feedback list --status pending
    """
    with Workspace(home) as workspace:
        rows = workspace.list_feedback(status=status, limit=limit)
    if as_json:
        emit({"feedback": rows})
        return
    whole = Column("feedback", no_wrap=True)  # to be copied after `accept` or `reject`
    other = ("label", "predicted", "actor", "status", "why")
    table = Table(whole, *(Column(name, overflow="fold") for name in other))
    for row in rows:
        named = " ".join(filter(None, (row.target, row.item, row.label)))
        cells = (row.id, named, row.predicted_label, row.actor, row.status, row.reason)
        # A person's words may hold brackets and control characters.
        table.add_row(*(Text(printable(cell)) for cell in cells))
    OUT.print(table)


@app.command()
def accept(
    ids: Annotated[list[str] | None, typer.Argument(help="The ids of feedback.")] = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Accept all that is pending, in place of ids.")
    ] = False,
    reason: Reason = "accepted by hand",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Accept feedback, also after a rejection or quarantine; the next snapshot takes it.

    Example: tidemill feedback accept 01a1fb4b-8215-74df-a5f3-d6fc45fa526e
    """
    if bool(ids) == everything:
        raise errors.UsageError(
            "Name the feedback to accept, or say --all; one of the two.",
            hint="`tidemill feedback list --status pending` shows what nobody has decided on.",
        )
    with Workspace(home) as workspace:
        settled = (
            workspace.accept_feedback(*ids, reason=reason)
            if ids
            else workspace.accept_pending(reason=reason)
        )
    _report(settled, as_json=as_json)


@app.command()
def reject(
    ids: Annotated[list[str], typer.Argument(help="The ids of feedback.")],
    *,
    reason: Reason,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Reject feedback; trained models stay unchanged.

    Example: tidemill feedback reject 01a1fb4b-8215-74df-a5f3-d6fc45fa526e --reason "blurred"
    """
    with Workspace(home) as workspace:
        settled = workspace.reject_feedback(*ids, reason=reason)
    _report(settled, as_json=as_json)


@app.command()
def pull(overrides: Names = None, *, home: Home = None, as_json: Json = False) -> None:
    """Import the rows of the feedback database that are new since the last import.

    Example: tidemill feedback pull feedback.table=corrections
    """
    with Workspace(home) as workspace, Engine(workspace, *overrides or ()) as engine:
        imported = engine.import_feedback()
    if as_json:
        emit(imported)
        return
    left_out = f", {imported.left_out} left out" if imported.left_out else ""
    say(f"{imported.rows} rows read, {imported.new} new labels{left_out}")
    for reason in imported.reasons:
        say(reason)


def _report(settled: Sequence[Feedback], *, as_json: bool) -> None:
    if as_json:
        emit({"feedback": settled})
        return
    counts = Counter(row.status for row in settled)
    say(", ".join(f"{count} {status}" for status, count in counts.items()) or "nothing is pending")


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="feedback")
