"""`tidemill serve`: the server process. Loads no training library."""

from __future__ import annotations

from typing import Annotated

import typer

from tidemill.cli.screen import Home, Json, emit, say
from tidemill.serving import open_serving
from tidemill.settings import read_settings
from tidemill.web.server import load_routes, run


def serve(
    *,
    host: Annotated[str | None, typer.Option(help="Address to bind; loopback by default.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.")] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Serve the workspace's champion over HTTP until stopped.

    Example: tidemill serve --port 8001
    """
    serving = open_serving(read_settings(home=home, host=host, port=port))
    try:
        run(serving, load_routes(serving.recipe), announce=_json if as_json else _told)
    finally:
        serving.close()


def _json(url: str) -> None:
    emit({"url": url})


def _told(url: str) -> None:
    say(f"Tidemill answers on {url} (routes: {url}/docs). Stop it with Ctrl-C.")


def register(app: typer.Typer) -> None:
    app.command("serve")(serve)
