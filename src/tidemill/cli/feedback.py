"""`tidemill feedback`: see what people said, and decide whether it is believed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from tidemill.data.database import FORM
from tidemill.domain.errors import UsageError
from tidemill.domain.feedback import Feedback, FeedbackStatus
from tidemill.engine.feedback_import import pull as read_rows
from tidemill.screen import OUT, Home, Json, emit, say
from tidemill.settings import read_settings
from tidemill.workspace import feedback
from tidemill.workspace.root import open_workspace

app = typer.Typer(
    help="See what people said the right answer was, and decide whether it is believed."
    "\n\nExample: tidemill feedback list",
    no_args_is_help=True,
)
Reason = Annotated[str, typer.Option(help="Why, for the record.")]
DATABASE = "TIDEMILL_FEEDBACK_DATABASE"


@app.command("list")
def list_(
    *,
    status: Annotated[
        FeedbackStatus | None, typer.Option(help="Only these, the oldest first.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 100,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """List feedback, newest first, and what became of it.

    Example: tidemill feedback list --status pending
    """
    workspace = open_workspace(read_settings(home=home))
    found = feedback.latest(workspace, status=status, limit=limit)
    if as_json:
        emit({"feedback": found})
        return
    whole = Column("feedback", no_wrap=True)  # to be copied after `accept` or `reject`
    other = ("label", "predicted", "actor", "status", "why")
    table = Table(whole, *(Column(name, overflow="fold") for name in other))
    for item in found:
        named = " ".join(filter(None, (item.target, item.item, item.label)))
        cells = (item.id, named, item.predicted_label, item.actor, item.status, item.reason)
        table.add_row(*(Text(cell) for cell in cells))  # a person's words may hold brackets
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
    """Believe feedback, also what was rejected or quarantined: the next snapshot takes it.

    Example: tidemill feedback accept 01a1fb4b-8215-74df-a5f3-d6fc45fa526e
    """
    if bool(ids) == everything:
        raise UsageError(
            "Name the feedback to accept, or say --all; one of the two.",
            hint="`tidemill feedback list --status pending` shows what nobody has decided on.",
        )
    workspace = open_workspace(read_settings(home=home))
    settled = (
        feedback.accept(workspace, ids, reason=reason)
        if ids
        else feedback.accept_pending(workspace, reason=reason)
    )
    _tell(settled, as_json=as_json)


@app.command()
def reject(
    ids: Annotated[list[str], typer.Argument(help="The ids of feedback.")],
    *,
    reason: Reason,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Do not believe feedback; models that have learnt from it stay as they are.

    Example: tidemill feedback reject 01a1fb4b-8215-74df-a5f3-d6fc45fa526e --reason "blurred"
    """
    workspace = open_workspace(read_settings(home=home))
    _tell(feedback.reject(workspace, ids, reason=reason), as_json=as_json)


@app.command()
def pull(*, home: Home = None, as_json: Json = False) -> None:
    """Take in what came to the database of feedback since the last time.

    Example: tidemill feedback pull
    """
    workspace = open_workspace(read_settings(home=home))
    if workspace.rows is None:
        raise UsageError("No database of feedback is named.", hint=f"Set {DATABASE}. {FORM}")
    found = read_rows(workspace, workspace.rows, workspace.ledger.begin, actor=workspace.actor)
    if as_json:
        emit(found)
    else:
        left_out = f", {found.left_out} left out" if found.left_out else ""
        say(f"{found.rows} rows read, {found.new} of them new feedback{left_out}")
        for reason in found.reasons:
            say(reason)


def _tell(settled: Sequence[Feedback], *, as_json: bool) -> None:
    if as_json:
        emit({"feedback": settled})
        return
    counts = Counter(item.status for item in settled)
    say(", ".join(f"{count} {status}" for status, count in counts.items()) or "nothing is pending")


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="feedback")
