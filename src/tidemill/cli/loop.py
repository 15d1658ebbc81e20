"""`tidemill loop`: the engine that drains, watches and turns cycles."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from threading import Event
from types import FrameType
from typing import Annotated

import typer
from uuid_utils import uuid7

from tidemill.adapters.local_jobs import LocalJobs
from tidemill.adapters.parent_process import watch
from tidemill.domain.cycle import Cycle
from tidemill.domain.drift import DriftVerdict
from tidemill.engine.engine import Engine, Tick
from tidemill.engine.leadership import Leadership
from tidemill.loop.drift import sentence
from tidemill.screen import OUT, Home, Json, WithParent, emit, say
from tidemill.settings import Settings, read_settings
from tidemill.workspace.manual_cycle import refuse as refuse_cycle
from tidemill.workspace.manual_cycle import trigger as trigger_cycle
from tidemill.workspace.policies import policies
from tidemill.workspace.root import LEDGER, Workspace, open_workspace
from tidemill.workspace.status import Standing, standing

FOLLOWS = "another engine leads"

app = typer.Typer(
    help="Turn the mill: drain, review, watch for drift, retrain, promote or refuse."
    "\n\nExample: tidemill loop status",
    no_args_is_help=True,
)
SLOWEST_S = 30.0
"""Seconds between attempts at what fails again and again."""

Overrides = Annotated[
    list[str] | None, typer.Argument(help="Policies, drift.KEY=VALUE or trigger.KEY=VALUE.")
]
Reason = Annotated[str, typer.Option(help="Why; it stands in the events.")]


@app.command()
def run(
    overrides: Overrides = None,
    *,
    home: Home = None,
    with_parent: WithParent = False,
    as_json: Json = False,
) -> None:
    """Turn the mill until stopped. One engine leads a workspace; another one waits.

    Example: tidemill loop run trigger.autonomy=automatic
    """
    stop = _stop()
    if with_parent:
        watch(stop.set)
    settings = read_settings(home=home)
    with _engine(settings, overrides or []) as (engine, workspace):
        if as_json:
            emit({"engine": os.getpid()})
        else:
            say(f"The engine turns over {settings.home}. Ctrl-C stops it.")
        told, idle = _Teller(), settings.tick_ms / 1000
        pause = idle
        while not stop.is_set():
            turned = engine.tick(workspace.clock.now())
            told(turned)
            # What cannot be done now, for want of disk for instance, is tried less and less often.
            cut_short = turned.leading and turned.step is None
            pause = min(2 * pause, SLOWEST_S) if cut_short else idle
            if not turned.busy:
                stop.wait(pause)


@app.command()
def tick(overrides: Overrides = None, *, home: Home = None, as_json: Json = False) -> None:
    """Do all there is to do now, a training included, and end.

    Example: tidemill loop tick trigger.feedback=100
    """
    settings = read_settings(home=home)
    told = _Teller()
    with _engine(settings, overrides or []) as (engine, workspace):
        done = []
        while True:
            turned = engine.tick(workspace.clock.now())
            told(turned)
            done.append(turned)
            # What cut the turn short may stay; and another engine's training is not waited for.
            if not turned.busy and (turned.step is None or not _training(workspace)):
                break
            if not turned.busy:
                Event().wait(settings.tick_ms / 1000)
        with workspace.ledger.begin(write=False) as unit:
            latest = unit.latest(Cycle, limit=1)
    if as_json:
        emit(
            {
                "leading": turned.leading,
                "drained": sum(row.drained for row in done),
                "pulled": sum(row.pulled for row in done),
                "reviewed": sum(row.reviewed for row in done),
                "drift": [row.drift for row in done if row.drift],
                "steps": [row.step for row in done if row.step and row.step.act != "wait"],
                "next": turned.step.reason if turned.step else "",
                "fault": turned.fault,
                "cycle": latest[0] if latest else None,
            }
        )
    elif turned.step:
        say(f"Next: {turned.step.act}. {turned.step.reason}")
    if turned.fault:
        raise typer.Exit(1)


@app.command()
def status(overrides: Overrides = None, *, home: Home = None, as_json: Json = False) -> None:
    """Show who leads, the cycles, and what would happen next.

    Example: tidemill loop status
    """
    workspace = open_workspace(read_settings(home=home))
    now = standing(workspace, overrides or [])
    if as_json:
        emit(now)
        return
    _show(now)


@app.command()
def trigger(*, reason: Reason, home: Home = None, as_json: Json = False) -> None:
    """Begin a cycle now, without waiting for drift or for more feedback.

    Example: tidemill loop trigger --reason "headlines of the new year"
    """
    cycle = trigger_cycle(open_workspace(read_settings(home=home)), reason=reason)
    if as_json:
        emit(cycle)
    else:
        say(f"Cycle {cycle.id} has begun; `tidemill loop run` or `loop tick` turns it.")


@app.command()
def refuse(*, reason: Reason, home: Home = None, as_json: Json = False) -> None:
    """End the open cycle without promoting its version.

    Example: tidemill loop refuse --reason "the labels are from another crop"
    """
    cycle = refuse_cycle(open_workspace(read_settings(home=home)), reason=reason)
    if as_json:
        emit(cycle)
    else:
        say(f"Cycle {cycle.id} is refused; {cycle.champion} stays champion.")


@contextmanager
def _engine(settings: Settings, overrides: list[str]) -> Iterator[tuple[Engine, Workspace]]:
    policies(None, overrides)  # a word that fits nothing is said before anything is done
    # A mistyped folder is no workspace, and must not become one.
    workspace = open_workspace(settings, create=(settings.home / LEDGER).exists())
    holder = f"{socket.gethostname()}:{os.getpid()}:{uuid7()}"
    leadership = Leadership(
        workspace.ledger,
        workspace.clock,
        holder=holder,
        ttl=timedelta(milliseconds=settings.lease_ms),
    )
    child = {"TIDEMILL_HOME": str(settings.home), "TIDEMILL_SAMPLES": str(workspace.samples)}
    jobs = LocalJobs({**child, "TIDEMILL_ACTOR": "engine"})
    engine = Engine(workspace, jobs, leadership, overrides=overrides)
    with closing(workspace.ledger):
        try:
            yield engine, workspace
        finally:
            engine.close(workspace.clock.now())


def _training(workspace: Workspace) -> bool:
    with workspace.ledger.begin(write=False) as unit:
        cycle = unit.cycle()
    return cycle is not None and cycle.state == "training"


class _Teller:
    """Says what happens, and what keeps it from happening once for as long as it does."""

    def __init__(self) -> None:
        self._fault = ""

    def __call__(self, turned: Tick) -> None:
        if turned.pulled:
            say(f"pulled: {turned.pulled} new feedback labels")
        if turned.drift:
            say(f"{_verdict(turned.drift)}: {sentence(turned.drift)}")
        if turned.step and turned.step.act != "wait":
            say(f"{turned.step.state or turned.step.act}: {turned.step.reason}")
        # Until when another engine leads changes with each renewal; that it leads is said once.
        fault = turned.fault if turned.leading else FOLLOWS
        if fault and fault != self._fault:
            say(turned.fault)
        self._fault = fault


def _verdict(verdict: DriftVerdict) -> str:
    return "drift" if verdict.drifted else "no drift"


def _show(now: Standing) -> None:
    OUT.print(now.engine, markup=False, soft_wrap=True)
    OUT.print(f"Feedback: {', '.join(f'{n} {status}' for status, n in now.feedback.items())}")
    OUT.print(f"Drift: {now.drift}", markup=False, soft_wrap=True)
    if now.schedule:
        OUT.print(f"Schedule: {now.schedule}", markup=False, soft_wrap=True)
    for cycle in now.cycles:
        since = f"since {cycle.changed_at:%Y-%m-%d %H:%M} UTC" if cycle.changed_at else ""
        facts = ("Cycle", cycle.id, cycle.state, since, f"by {cycle.trigger}", cycle.version)
        # Not a table: an id has to be copied whole, and a reason is a sentence.
        OUT.print(" ".join(filter(None, facts)), markup=False, soft_wrap=True)
        OUT.print(f"  {cycle.reason or cycle.cause}", markup=False, soft_wrap=True)
    OUT.print(f"Next: {now.next.act}. {now.next.reason}", markup=False, soft_wrap=True)


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
