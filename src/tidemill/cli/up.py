"""`tidemill up`: a champion, served, and the engine that keeps it well."""

from __future__ import annotations

import queue
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import FrameType
from typing import Annotated

import typer

from tidemill.adapters.child_process import Child, Ended, EngineProcess, ServerProcess, run_child
from tidemill.domain.errors import NotFound, Unavailable, UsageError
from tidemill.screen import Home, say
from tidemill.settings import Settings, read_settings
from tidemill.web.address import bind
from tidemill.workspace.policies import policies
from tidemill.workspace.root import LEDGER, open_workspace


def up(
    recipe: Annotated[str, typer.Argument(help="The recipe to train when needed.")] = "coffee",
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Policies of the loop, drift.KEY=VALUE or trigger.KEY=VALUE."),
    ] = None,
    *,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.")] = None,
    home: Home = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Start a server or engine that died again.")
    ] = False,
) -> None:
    """Train a champion if there is none, then serve it and turn the mill until stopped.

    Example: tidemill up lucky trigger.schedule=daily
    """
    signal.signal(signal.SIGTERM, _interrupt)
    settings = read_settings(home=home, port=port)
    if "=" in recipe:
        # With a champion no recipe is looked for, and the word would be passed over.
        raise UsageError(
            f"{recipe!r} stands where the recipe belongs.",
            hint=f"Name the recipe first: tidemill up coffee {recipe}",
        )
    policies(None, overrides or [])
    # Before minutes of training, not after them.
    bind(settings.host, settings.port).close()
    if not _has_champion(settings):
        say(f"No champion in {settings.home}: training one.")
        _train(recipe, settings)
    _run(settings, overrides or [], restart=restart)


def _has_champion(settings: Settings) -> bool:
    """False when there is no ledger or no champion in it; whatever else is wrong is raised."""
    if not (settings.home / LEDGER).exists():
        return False
    workspace = open_workspace(settings)
    try:
        workspace.champion()
    except NotFound:
        return False
    finally:
        workspace.ledger.close()
    return True


def _train(recipe: str, settings: Settings) -> None:
    try:
        code = run_child("train", recipe, "--promote", home=settings.home)
    except KeyboardInterrupt:
        say("Stopping.")
        sys.exit(130)
    if code:
        _pass_on("training", code)


def _run(settings: Settings, overrides: Sequence[str], *, restart: bool) -> None:
    """Keep server and engine running. One that dies is reported, and ends the other."""

    def serve() -> Child:
        server = ServerProcess(settings.home, port=settings.port)
        say(f"Tidemill listens on {server.url} (routes: {server.url}/docs). Ctrl-C stops it.")
        return server

    starts: dict[str, Callable[[], Child]] = {
        "server": serve,
        "engine": lambda: EngineProcess(settings.home, *overrides),
    }
    ended: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
    try:
        with ExitStack() as stack:
            for name, start in starts.items():
                _watch(name, stack.enter_context(start()), ended)
            while True:
                name, code = ended.get()
                if not restart:
                    break
                say(f"The {name} {_how(code)}. It is started again.")
                _watch(name, stack.enter_context(starts[name]()), ended)
    except KeyboardInterrupt:
        say("Stopping.")
        return
    except Ended as death:
        name, code = "server or engine", death.exit_code
    _pass_on(name, code)


def _watch(name: str, child: Child, ended: queue.SimpleQueue[tuple[str, int]]) -> None:
    def wait() -> None:
        ended.put((name, child.wait()))

    threading.Thread(target=wait, name=f"tidemill-{name}", daemon=True).start()


def _how(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _pass_on(name: str, code: int) -> None:
    """Leave as a child process did. A positive code means that it has said why."""
    if code < 0:
        raise Unavailable(
            f"The {name} {_how(code)}.",
            hint="Often that is for want of memory; `tidemill doctor` looks for usual causes.",
        )
    say(f"The {name} {_how(code)}, so the rest is stopped, too.")
    sys.exit(code)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def register(app: typer.Typer) -> None:
    app.command("up")(up)
