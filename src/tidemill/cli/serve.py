"""`tidemill serve`: the server process. Loads no training library."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from tidemill.adapters.parent_process import watch
from tidemill.screen import Home, Json, WithParent, emit, say, show_log
from tidemill.settings import read_settings
from tidemill.web.server import Stop, StopTimer, run_server, run_worker
from tidemill.web.supervisor import run_workers


def serve(
    *,
    host: Annotated[str | None, typer.Option(help="Address to bind; loopback by default.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that serve; they share the port and the limits.")
    ] = None,
    allow_anonymous: Annotated[
        bool,
        typer.Option("--allow-anonymous", help="Let other machines reach it without any API key."),
    ] = False,
    home: Home = None,
    with_parent: WithParent = False,
    worker: Annotated[str | None, typer.Option(hidden=True)] = None,
    as_json: Json = False,
) -> None:
    """Serve the workspace's champion over HTTP until stopped.

    Example: tidemill serve --port 8001
    """
    # On stderr, as they are: a person reads there that it is ready, or what it refuses and why.
    show_log()
    logging.getLogger("tidemill").setLevel(logging.INFO)
    settings = read_settings(
        home=home,
        host=host,
        port=port,
        workers=workers,
        allow_anonymous=True if allow_anonymous else None,
    )
    until, announce = watch if with_parent else _alone, _json if as_json else _print_url
    if worker is not None:
        run_worker(settings, worker, watch=until, timer=StopTimer())
    elif settings.workers > 1:
        run_workers(settings, announce=announce, watch=until)
    else:
        run_server(settings, announce=announce, watch=until, timer=StopTimer())


def _json(url: str) -> None:
    emit({"url": url})


def _print_url(url: str) -> None:
    say(f"Tidemill listens on {url} (routes: {url}/docs). Stop it with Ctrl-C.")


def _alone(_: Stop) -> None:
    """Only a signal ends it."""


def register(app: typer.Typer) -> None:
    app.command("serve")(serve)
