"""Runs the app: binds a socket, runs uvicorn on it, and ends gracefully."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn

from tidemill.adapters.malloc import return_large_blocks
from tidemill.serving import open_parts
from tidemill.settings import Settings
from tidemill.web.address import bind, url_of
from tidemill.web.app import create_app
from tidemill.web.connection import ConnectionLimits, connection_type
from tidemill.web.stop import ANSWER_S, CONNECTION_S, StopTimer

__all__ = ["Stop", "StopTimer", "run_server"]
Stop = Callable[[], None]


def run_server(
    settings: Settings,
    *,
    announce: Callable[[str], None],
    watch: Callable[[Stop], None] = lambda _: None,
    timer: StopTimer | None = None,
) -> None:
    """Serve the workspace until SIGTERM or SIGINT; requests in progress are answered first.

    `announce` gets the address as soon as the server accepts connections. When it raises, the
    server ends and this function raises the error. `watch` gets a function that ends the server
    as a signal does; any thread may call it. `timer` ends a process that does not stop in time; it
    goes on after this function. Raises Unavailable when the address cannot be bound
    (before anything else happens) or there is nothing to serve.
    """
    return_large_blocks()
    with bind(settings.host, settings.port) as listening:
        parts, routes = open_parts(settings)
        try:
            app = create_app(parts, routes)
            config = uvicorn.Config(
                app,
                http=connection_type(ConnectionLimits(connections=settings.connections)),
                timeout_keep_alive=settings.keep_alive_s,
                ws="none",
                lifespan="on",
                access_log=False,
                log_config=None,
                server_header=False,
                # The access control reads X-Forwarded-For, and trusts it only where it is told to.
                proxy_headers=False,
                timeout_graceful_shutdown=round(CONNECTION_S),
            )
            server = _Server(
                config, lambda: announce(url_of(listening)), app.state.reader.close, timer
            )
            watch(server.stop)
            server.run(sockets=[listening])
        finally:
            parts.close()
    if server.failure:
        raise server.failure


class _Server(uvicorn.Server):
    """`end_decoding` refuses what still waits to be decoded, and may take a while."""

    def __init__(
        self,
        config: uvicorn.Config,
        started: Callable[[], None],
        end_decoding: Callable[[], None],
        timer: StopTimer | None,
    ) -> None:
        super().__init__(config)
        self._started = started
        self._end_decoding = end_decoding
        self._timer = timer
        self.failure: Exception | None = None

    def stop(self) -> None:
        self.should_exit = True
        if self._timer is not None:
            self._timer.start()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self.stop()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        late = threading.Timer(ANSWER_S, self._end_decoding)
        late.daemon = True
        late.start()
        try:
            await super().shutdown(sockets)
        finally:
            late.cancel()

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
