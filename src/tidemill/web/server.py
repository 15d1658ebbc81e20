"""Runs the app: binds a socket, runs uvicorn on it, and ends gracefully."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator

import uvicorn

from tidemill.adapters.malloc import return_large_blocks
from tidemill.serving import open_parts
from tidemill.settings import Settings
from tidemill.web.address import bind, url_of
from tidemill.web.app import create_app
from tidemill.web.connection import ConnectionLimits, connection_type

SHUTDOWN_SECONDS = 10
"""Time that requests in progress get when the server stops."""

Stop = Callable[[], None]


def run_server(
    settings: Settings,
    *,
    announce: Callable[[str], None],
    watch: Callable[[Stop], None] = lambda _: None,
) -> None:
    """Serve the workspace until SIGTERM or SIGINT; requests in progress are answered first.

    `announce` gets the address as soon as the server accepts connections. When it raises, the
    server ends and this function raises the error. `watch` gets a function that ends the server
    as a signal does; any thread may call it. Raises Unavailable when the address cannot be bound
    (before anything else happens) or there is nothing to serve.
    """
    return_large_blocks()
    with bind(settings.host, settings.port) as listening:
        parts, routes = open_parts(settings)
        try:
            config = uvicorn.Config(
                create_app(parts, routes),
                http=connection_type(ConnectionLimits(connections=settings.connections)),
                timeout_keep_alive=settings.keep_alive_s,
                ws="none",
                lifespan="on",
                access_log=False,
                log_config=None,
                server_header=False,
                # The access control reads X-Forwarded-For, and trusts it only where it is told to.
                proxy_headers=False,
                timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            )
            server = _Server(config, lambda: announce(url_of(listening)))
            watch(server.stop)
            server.run(sockets=[listening])
        finally:
            parts.close()
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
        except Exception as error:  # noqa: BLE001  raised again after everything is closed
            self.failure = error
            self.stop()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture signals as uvicorn does, but do not raise them again: the caller must close."""
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
