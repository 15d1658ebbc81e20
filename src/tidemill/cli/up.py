"""`tidemill up`: a champion, served."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from tidemill.cli.process import ServerProcess, argv, environment
from tidemill.cli.screen import Home, say
from tidemill.domain.errors import NotFound, TidemillError, Unavailable
from tidemill.settings import Settings, read_settings
from tidemill.workshop.root import open_workshop


def up(
    recipe: Annotated[str, typer.Argument(help="The recipe to train when needed.")] = "coffee",
    *,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.")] = None,
    home: Home = None,
) -> None:
    """Train a champion if there is none, then serve it until stopped.

    Example: tidemill up
    """
    settings = read_settings(home=home, port=port)
    if not _has_champion(settings):
        say(f"No champion in {settings.home}: training one.")
        _train(recipe, settings.home)
    signal.signal(signal.SIGTERM, _interrupt)
    with ServerProcess(settings.home, port=settings.port) as server:
        say(f"Tidemill answers on {server.url} (routes: {server.url}/docs). Ctrl-C stops it.")
        try:
            code = server.wait()
        except KeyboardInterrupt:
            say("Stopping.")
            return
    raise Unavailable(
        f"The server ended by itself with exit code {code}.",
        hint="What it wrote above tells why; `tidemill doctor` looks for usual causes.",
    )


def _has_champion(settings: Settings) -> bool:
    try:
        workshop = open_workshop(settings)
    except Unavailable:
        return False
    try:
        workshop.champion()
    except NotFound:
        return False
    finally:
        workshop.ledger.close()
    return True


def _train(recipe: str, home: Path) -> None:
    done = subprocess.run(argv("train", recipe, "--promote"), env=environment(home), check=False)
    if done.returncode:
        failed = TidemillError("No champion could be trained; the reason stands above.")
        raise failed


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def register(app: typer.Typer) -> None:
    app.command("up")(up)
