"""Runs the app: a bound socket, uvicorn on it, a graceful end."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator

import uvicorn

from tidemill.serving import open_serving
from tidemill.settings import Settings
from tidemill.web.address import bind, url_of
from tidemill.web.app import create_app

PATIENCE = 10
"""Seconds that requests under way get when the server is told to end."""

Stop = Callable[[], None]


def run(
    settings: Settings,
    *,
    announce: Callable[[str], None],
    watch: Callable[[Stop], None] = lambda _: None,
) -> None:
    """Serve the workspace until SIGTERM or SIGINT; requests under way are answered first.

    `announce` is told the address once connections are accepted; when it raises, the server ends
    and the error is raised from here. `watch` is given a function that ends the server as a signal
    does, to be called from any thread. Raises Unavailable when the address cannot be bound (before
    anything else is done) or there is nothing to serve.
    """
    with bind(settings.host, settings.port) as listening:
        serving, routes = open_serving(settings)
        try:
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
            server = _Server(config, lambda: announce(url_of(listening)))
            watch(server.stop)
            server.run(sockets=[listening])
        finally:
            serving.close()
    if server.failure:
        raise server.failure


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._started = started
        self.failure: Exception | None = None

    def stop(self) -> None:
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        try:
            self._started()
        except Exception as error:  # noqa: BLE001  raised again once everything is closed
            self.failure = error
            self.stop()

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
