"""`tidemill up`: a champion, served, and the engine that keeps it well."""

from __future__ import annotations

import queue
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from tidemill import Workspace, errors
from tidemill.adapters.child_process import Child, Ended, EngineProcess, ServerProcess, run_child
from tidemill.screen import Home, say
from tidemill.web.address import bind
from tidemill.web.exposure import require_keys

MAX_KEYS = 10_000
"""Keys among which a valid one is looked for; revoked ones count."""


def up(
    recipe: Annotated[
        str | None, typer.Argument(help="The recipe to train when needed; coffee if none is named.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Policies of the loop, such as trigger.feedback=300."),
    ] = None,
    *,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.")] = None,
    home: Home = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Start a server or engine that died again.")
    ] = False,
) -> None:
    """Train a champion if there is none, then serve it and run the engine until stopped.

    Example: tidemill up lucky trigger.schedule=daily
    """
    signal.signal(signal.SIGTERM, _interrupt)
    workspace = Workspace(home, port=port)
    if recipe and "=" in recipe:
        # With a champion no recipe is looked for, and the word would be passed over.
        raise errors.UsageError(
            f"{recipe!r} stands where the recipe belongs.",
            hint=f"Name the recipe first: tidemill up coffee {recipe}",
        )
    with workspace:
        workspace.policies(*overrides or ())
        # Before minutes of training, not after them.
        bind(workspace.settings.host, workspace.settings.port).close()
        keys = workspace.list_keys(limit=MAX_KEYS) if workspace.exists else []
        now = workspace.clock.now()
        require_keys(workspace.settings, has_key=any(key.holds(now) for key in keys))
        has_champion = workspace.exists and "champion" in workspace.aliases()
        served = workspace.champion().recipe if has_champion else None
    if served is None:
        say(f"No champion in {workspace.home}: training one.")
        _train(recipe or "coffee", workspace.home)
    elif recipe not in (None, served):
        raise errors.Conflict(
            f"{workspace.home} belongs to the recipe {served}, so {recipe} is not served from it.",
            hint="Leave the recipe out, or choose another folder: --home FOLDER.",
        )
    _run(workspace.home, workspace.settings.port, overrides or [], restart=restart)


def _train(recipe: str, home: Path) -> None:
    try:
        code = run_child("train", recipe, "--promote", home=home)
    except KeyboardInterrupt:
        say("Stopping.")
        sys.exit(130)
    if code:
        _pass_on("training", code)


def _run(home: Path, port: int, overrides: Sequence[str], *, restart: bool) -> None:
    """Keep server and engine running. One that dies is reported, and ends the other."""

    def serve() -> Child:
        server = ServerProcess(home, port=port)
        say(f"Tidemill listens on {server.url} (routes: {server.url}/docs). Ctrl-C stops it.")
        return server

    starts: dict[str, Callable[[], Child]] = {
        "server": serve,
        "engine": lambda: EngineProcess(home, *overrides),
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
        raise errors.Unavailable(
            f"The {name} {_how(code)}.",
            hint="Often that is for want of memory; `tidemill doctor` looks for usual causes.",
        )
    say(f"The {name} {_how(code)}, so the rest is stopped, too.")
    sys.exit(code)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def register(app: typer.Typer) -> None:
    app.command("up")(up)
