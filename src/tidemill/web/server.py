"""Runs the app: binds a socket, runs uvicorn on it, and ends gracefully."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any, cast

import uvicorn

from tidemill.adapters.malloc import return_large_blocks
from tidemill.domain.errors import TidemillError, Unavailable
from tidemill.serving import open_parts
from tidemill.settings import Settings
from tidemill.web.address import bind, url_of
from tidemill.web.app import create_app
from tidemill.web.connection import ConnectionLimits, connection_type
from tidemill.web.stop import ANSWER_S, CONNECTION_S, Stop, StopTimer, handle_signals
from tidemill.web.worker import Worker, divide_settings

__all__ = ["Stop", "StopTimer", "run_server", "run_worker"]
POLL_S = 0.01
"""Seconds between two looks at a worker that starts."""


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
        _run(settings, listening, lambda: announce(url_of(listening)), watch, timer)


def run_worker(
    settings: Settings, name: str, *, watch: Callable[[Stop], None], timer: StopTimer
) -> None:
    """Serve as the worker that `name` describes, with a share of the limits.

    It takes connections only after it has checked a model, so that a worker that is started again
    refuses none. An error before is reported to the supervisor, and ends the process.
    """
    return_large_blocks()
    worker = Worker.parse(name)
    try:
        with worker.open_socket() as listening:
            _run(divide_settings(settings), listening, worker.report_ready, watch, timer, worker)
    except TidemillError as error:
        if not worker.report_error(error):
            raise
        sys.exit(1)


def _run(
    settings: Settings,
    listening: socket.socket,
    started: Callable[[], None],
    watch: Callable[[Stop], None],
    timer: StopTimer | None,
    worker: Worker | None = None,
) -> None:
    parts, routes = open_parts(settings)
    try:
        app = create_app(parts, routes, worker=worker)
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
        end_decoding = app.state.reader.close
        if worker is None:
            server = _Server(config, started, end_decoding, timer)
        else:
            server = _WorkerServer(config, started, end_decoding, timer)
            server.has_decided = lambda: app.state.slots.state.decided
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
        self._announce()

    def _announce(self) -> None:
        try:
            self._started()
        except Exception as error:  # noqa: BLE001  raised again after everything is closed
            self.failure = error
            self.stop()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture signals as uvicorn does, but do not raise them again: the caller must close."""
        with handle_signals(self.handle_exit):
            yield


class _WorkerServer(_Server):
    """Takes connections once `has_decided` says that it knows whether it can answer."""

    has_decided: Callable[[], bool]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await uvicorn.Server.startup(self, [])
        while not self.has_decided() and not self.should_exit:
            await asyncio.sleep(POLL_S)
        if self.should_exit:
            return
        connection = partial(
            cast(Any, self.config.http_protocol_class),
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        loop = asyncio.get_running_loop()
        try:
            for listening in sockets or ():
                server = await loop.create_server(
                    connection, sock=listening, backlog=self.config.backlog
                )
                self.servers.append(server)
        except OSError as error:
            self.failure = Unavailable(
                f"The port cannot be used: {error.strerror}.", hint="Take a free one: --port 0"
            )
            self.stop()
            return
        self._announce()
