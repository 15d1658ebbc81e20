"""What a connection may cost before there is a request: header size, header time, connections.

uvicorn has no such limits. Its protocol is extended here, and nothing else in the server knows it.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from starlette.types import Scope
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from tidemill.web.request_context import GONE_KEY, UPLOADING_KEY

if sys.platform != "win32":
    import resource

RESERVED_DESCRIPTORS = 128
"""File descriptors that connections leave to the log, the ledger and the reader's processes."""

TOO_LARGE = (431, "Request Header Fields Too Large", "The header of the request is too large.")
TOO_SLOW = (408, "Request Timeout", "The header of the request did not come in time.")
TOO_MANY = (503, "Service Unavailable", "Every connection of this server is busy.")
Refusal = tuple[int, str, str]


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The limits of one server. A client is an address."""

    connections: int = 1_000
    header_bytes: int = 32 << 10
    header_count: int = 100
    header_seconds: float = 10.0
    write_seconds: float = 10.0


class HeaderTooLarge(Exception):
    """A header has too many fields or bytes. The parser ends the request."""


class Connection(HttpToolsProtocol):
    """One connection of a client. `limits` and `crowd` are shared by all of a server."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: ConnectionLimits,
        crowd: Crowd,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        self._crowd = crowd
        self._header_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._unparsed = 0
        self._header_bytes = 0
        self._header_count = 0

    @property
    def busy(self) -> bool:
        """True while a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def is_uploading(self) -> bool:
        """True while a part of a body is still to come."""
        return self.busy and bool(self.cycle.more_body)

    @property
    def is_stuck(self) -> bool:
        """True while the client does not read its answer."""
        return self._write_timer is not None

    @property
    def address(self) -> str:
        """The address of the client."""
        return self.client[0] if self.client else ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if not self._crowd.admit(self):
            self.refuse(TOO_MANY)
            return
        self._await_header()

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.leave(self)
        self._stop_header_timer()
        self._stop_write_timer()
        super().connection_lost(exc)

    def eof_received(self) -> None:
        # The transport closes now, and reports it some turns of the event loop later.
        if self.busy:
            self.cycle.disconnected = True
        super().eof_received()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._unparsed += len(data)
        super().data_received(data)
        if not self._unparsed or self.transport.is_closing():
            return
        # The parser keeps an unfinished field, so the count of fields does not limit it.
        if self._unparsed > self._limits.header_bytes:
            self.refuse(TOO_LARGE)
        elif self._header_timer is None and not self.busy:
            self._await_header()

    def on_message_begin(self) -> None:
        self._header_bytes = self._header_count = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # The trailer of a chunked body comes here, too.
        self._header_count += 1
        self._header_bytes += len(name) + len(value)
        limits = self._limits
        if self._header_count > limits.header_count or self._header_bytes > limits.header_bytes:
            raise HeaderTooLarge
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._unparsed = 0
        self._stop_header_timer()
        super().on_headers_complete()
        scope, cycle = cast(Scope, self.scope), self.cycle
        scope[GONE_KEY] = partial(_has_left, cycle, self.transport)
        scope[UPLOADING_KEY] = partial(getattr, cycle, "more_body")

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unparsed = 0
        super().on_message_complete()
        if not self.pipeline:
            # A large body has paused the reading, and nobody would see the client leave.
            self.flow.resume_reading()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timer = self.loop.call_later(self._limits.write_seconds, self.drop)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_write_timer()

    def drop(self) -> None:
        """End the connection at once, without an answer."""
        if self.cycle is not None:
            self.cycle.disconnected = True
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        error = sys.exception()
        large = isinstance(error and error.__context__, HeaderTooLarge)
        self.refuse(TOO_LARGE if large else (400, "Bad Request", "This is no HTTP request."))

    def refuse(self, refusal: Refusal) -> None:
        """Answer in the JSON shape of failures when no answer has begun, and close."""
        status, phrase, message = refusal
        if not self.busy:
            code = {400: "bad_request", 408: "too_slow", 431: "too_large", 503: "overloaded"}
            body = (
                f'{{"error":{{"code":"{code[status]}","message":"{message}","hint":""}}}}'
            ).encode()
            head = (
                f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()

    def _await_header(self) -> None:
        self._header_timer = self.loop.call_later(self._limits.header_seconds, self._header_late)

    def _stop_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _header_late(self) -> None:
        self._header_timer = None
        if not self.busy and not self.transport.is_closing():
            self.refuse(TOO_SLOW)


def _has_left(cycle: RequestResponseCycle, transport: asyncio.Transport) -> bool:
    """Return True once the client of a request has left.

    A transport that was reset closes at once, and tells the protocol some turns of the loop later.
    """
    return cycle.disconnected or transport.is_closing()


class Crowd:
    """All connections of a server, in the order of their arrival."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._connections: dict[Connection, None] = {}
        self._counts: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._connections)

    def admit(self, connection: Connection) -> bool:
        """Add a connection; a full server closes one that asks for nothing, or reads nothing, else
        one that has not sent its whole body.

        Returns False when all others wait for an answer. The oldest one of the client with the most
        connections goes first, so that no client crowds the others out.
        """
        if len(self._connections) >= self.limit:
            idle = [other for other in self._connections if not other.busy or other.is_stuck]
            idle = idle or [other for other in self._connections if other.is_uploading]
            if not idle:
                return False
            oldest = max(idle, key=lambda other: self._counts[other.address])
            self.leave(oldest)
            oldest.drop()
        self._connections[connection] = None
        self._counts[connection.address] = self._counts.get(connection.address, 0) + 1
        return True

    def leave(self, connection: Connection) -> None:
        """Remove a connection, if it is still here."""
        if connection not in self._connections:
            return
        del self._connections[connection]
        self._counts[connection.address] -= 1
        if not self._counts[connection.address]:
            del self._counts[connection.address]


def connection_type(limits: ConnectionLimits) -> type[Connection]:
    """Return the class that uvicorn makes each connection of. All of them share one crowd."""
    shared = Crowd(min(limits.connections, _descriptors()))

    class ServerConnection(Connection):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, limits=limits, crowd=shared, **options)

    return ServerConnection


def _descriptors() -> int:
    """Return how many connections the process's limit of open files allows."""
    if sys.platform == "win32":
        return sys.maxsize
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, soft - RESERVED_DESCRIPTORS) if soft != resource.RLIM_INFINITY else sys.maxsize
