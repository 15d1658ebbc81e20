"""Runs the app: a bound socket, uvicorn on it, a graceful end."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points

import uvicorn

from tidemill.domain.errors import Unavailable
from tidemill.recipes.routes import Build
from tidemill.serving import Serving
from tidemill.web.app import create_app

PATIENCE = 10
"""Seconds that requests under way get when the server is told to end."""


def load_routes(recipe: str) -> Build:
    """The factory of a recipe's own routes. Raises Unavailable when it is not installed."""
    found = {point.name: point for point in entry_points(group="tidemill.routes")}
    if recipe not in found:
        raise Unavailable(
            f"The routes of recipe {recipe!r} are not installed.",
            hint=f"Install its package. Installed are: {', '.join(sorted(found))}.",
        )
    build: Build = found[recipe].load()
    return build


def run(serving: Serving, routes: Build, *, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are answered first.

    `announce` is told the address once connections are accepted. Closing `serving` stays with
    the caller. Raises Unavailable when the address cannot be bound.
    """
    with bind(serving.settings.host, serving.settings.port) as listening:
        config = uvicorn.Config(
            create_app(serving, routes),
            http="httptools",
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=PATIENCE,
        )
        _Server(config, lambda: announce(url_of(listening))).run(sockets=[listening])


def bind(host: str, port: int) -> socket.socket:
    """A socket on this address, not yet listening. Raises Unavailable saying what to try."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise Unavailable(
            f"{host!r} is no address of this machine: {error.strerror}.",
            hint="Try --host 127.0.0.1.",
        ) from error
    try:
        if os.name == "posix":
            # Elsewhere this option lets two servers share a port.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        # Now, not when uvicorn starts: until then a second server could bind the port as well.
        bound.listen()
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise Unavailable(
                f"Port {port} of {host} is in use.", hint="Take a free one: --port 0"
            ) from error
        raise Unavailable(
            f"Port {port} of {host} cannot be bound: {error.strerror}.",
            hint="Try --host 127.0.0.1 --port 0.",
        ) from error
    return bound


def url_of(listening: socket.socket) -> str:
    """Where a browser on this machine finds the socket."""
    host, port = listening.getsockname()[:2]
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{local}]:{port}" if ":" in local else f"http://{local}:{port}"


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, but a signal is not raised again at the end: the caller has to close."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        names = (signal.SIGINT, signal.SIGTERM)
        before = {name: signal.signal(name, self.handle_exit) for name in names}
        try:
            yield
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)
