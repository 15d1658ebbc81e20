"""`tidemill up`: a champion, served."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from tidemill.cli.process import Ended, ServerProcess, run_child
from tidemill.cli.screen import Home, say
from tidemill.domain.errors import NotFound, Unavailable
from tidemill.settings import Settings, read_settings
from tidemill.web.address import bind
from tidemill.workshop.root import LEDGER, open_workshop


def up(
    recipe: Annotated[str, typer.Argument(help="The recipe to train when needed.")] = "coffee",
    *,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.")] = None,
    home: Home = None,
) -> None:
    """Train a champion if there is none, then serve it until stopped.

    Example: tidemill up
    """
    signal.signal(signal.SIGTERM, _interrupt)
    settings = read_settings(home=home, port=port)
    # Before minutes of training, not after them.
    bind(settings.host, settings.port).close()
    if not _has_champion(settings):
        say(f"No champion in {settings.home}: training one.")
        _train(recipe, settings)
    _serve(settings)


def _has_champion(settings: Settings) -> bool:
    """False when there is no ledger or no champion in it; whatever else is wrong is raised."""
    if not (settings.home / LEDGER).exists():
        return False
    workshop = open_workshop(settings)
    try:
        workshop.champion()
    except NotFound:
        return False
    finally:
        workshop.ledger.close()
    return True


def _train(recipe: str, settings: Settings) -> None:
    try:
        code = run_child("train", recipe, "--promote", home=settings.home)
    except KeyboardInterrupt:
        say("Stopping.")
        sys.exit(130)
    if code:
        _pass_on(code)


def _serve(settings: Settings) -> None:
    try:
        with ServerProcess(settings.home, port=settings.port) as server:
            say(f"Tidemill listens on {server.url} (routes: {server.url}/docs). Ctrl-C stops it.")
            code = server.wait()
    except KeyboardInterrupt:
        say("Stopping.")
        return
    except Ended as ended:
        code = ended.exit_code
    _pass_on(code)


def _pass_on(code: int) -> None:
    """Leave as a child process did. A positive code means that it has said why."""
    if code < 0:
        raise Unavailable(
            f"A process of Tidemill's was killed by signal {-code}.",
            hint="Often that is for want of memory; `tidemill doctor` looks for usual causes.",
        )
    sys.exit(code)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def register(app: typer.Typer) -> None:
    app.command("up")(up)
