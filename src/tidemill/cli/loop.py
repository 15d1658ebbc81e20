"""`tidemill loop`: the engine that drains, reviews, checks for drift and runs cycles."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Annotated

import typer

from tidemill import Engine, Workspace
from tidemill.adapters.parent_process import watch
from tidemill.screen import OUT, Home, Json, Stages, WithParent, emit, say

app = typer.Typer(
    help="Run the engine: drain, review, check for drift, retrain, promote or refuse."
    "\n\nExample: tidemill loop status",
    no_args_is_help=True,
)
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Policies, such as trigger.feedback=300.")
]
Reason = Annotated[str, typer.Option(help="The reason, recorded in the events.")]


@app.command()
def run(
    overrides: Overrides = None,
    *,
    home: Home = None,
    with_parent: WithParent = False,
    as_json: Json = False,
) -> None:
    """Run the engine until stopped; a second engine waits until the first one has ended.

    Example: tidemill loop run trigger.autonomy=automatic
    """
    stop = _stop()
    if with_parent:
        watch(stop.set)
    with _open_engine(home, overrides) as (engine, workspace):
        if as_json:
            emit({"engine": os.getpid()})
        else:
            say(f"The engine runs over {workspace.home}. Ctrl-C stops it.")
        engine.run(stop, report=say)


@app.command()
def tick(overrides: Overrides = None, *, home: Home = None, as_json: Json = False) -> None:
    """Do all there is to do now, a training included, and end.

    Example: tidemill loop tick trigger.feedback=100
    """
    # A training is a child process, whose own progress nobody sees.
    with _open_engine(home, overrides) as (engine, workspace), Stages("tick"):
        ticks = engine.catch_up(report=say)
        cycles = workspace.list_cycles(limit=1)
    last = ticks[-1]
    if as_json:
        emit(
            {
                "leading": last.leading,
                "drained": sum(row.drained for row in ticks),
                "imported": sum(row.imported for row in ticks),
                "reviewed": sum(row.reviewed for row in ticks),
                "drift": [row.drift for row in ticks if row.drift],
                "steps": [row.step for row in ticks if row.step and row.step.kind != "wait"],
                "next": last.step.reason if last.step else "",
                "fault": last.fault,
                "cycle": cycles[0] if cycles else None,
            }
        )
    elif last.step:
        say(f"Next: {last.step.title}. {last.step.reason}")
    if last.fault:
        raise typer.Exit(1)


@app.command()
def status(overrides: Overrides = None, *, home: Home = None, as_json: Json = False) -> None:
    """Show who leads, the cycles, and what would happen next.

    Example: tidemill loop status
    """
    with Workspace(home) as workspace:
        now = workspace.status(*overrides or ())
    if as_json:
        emit(now)
        return
    for line in now.lines():
        OUT.print(line, markup=False, soft_wrap=True)


@app.command()
def trigger(*, reason: Reason, home: Home = None, as_json: Json = False) -> None:
    """Begin a cycle now, without waiting for drift or for more feedback.

    Example: tidemill loop trigger --reason "headlines of the new year"
    """
    with Workspace(home) as workspace:
        cycle = workspace.trigger_cycle(reason=reason)
    if as_json:
        emit(cycle)
    else:
        say(f"Cycle {cycle.id} has begun; `tidemill loop run` or `loop tick` runs it.")


@app.command()
def refuse(*, reason: Reason, home: Home = None, as_json: Json = False) -> None:
    """End the open cycle without promoting its version.

    Example: tidemill loop refuse --reason "the labels are from another crop"
    """
    with Workspace(home) as workspace:
        cycle = workspace.refuse_cycle(reason=reason)
    if as_json:
        emit(cycle)
    else:
        say(f"Cycle {cycle.id} is refused; {cycle.champion} stays champion.")


@contextmanager
def _open_engine(
    home: Path | None, overrides: list[str] | None
) -> Iterator[tuple[Engine, Workspace]]:
    with Workspace(home) as workspace:
        # A mistyped folder is no workspace, and must not become one.
        if workspace.exists:
            workspace.create()
        with Engine(workspace, *overrides or ()) as engine:
            yield engine, workspace


def _stop() -> Event:
    """Set by the first signal to end, so that no unit of work is cut off; a second interrupts."""
    stop = Event()

    def ask(name: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(name, signal.default_int_handler)

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, ask)
    return stop


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="loop")
