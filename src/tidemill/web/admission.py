"""Reads the body of each request before the app sees it, within limits of size, time and share.

The app gets the whole body in one message. So a slow client holds no model version, and no route
needs limits of its own.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from time import monotonic, perf_counter

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidemill.domain.errors import Overloaded, TidemillError, TooSlow
from tidemill.web.body_head import BodyHead, read_body_head, too_large, unpack_gzip, without_mark
from tidemill.web.errors import error_response
from tidemill.web.media import JSON
from tidemill.web.multipart import check_form, form_boundary
from tidemill.web.request_context import (
    BODY_AT_KEY,
    DEADLINE_KEY,
    UPLOADING_KEY,
    client_of,
    is_golden_request,
)
from tidemill.web.work import Work

UNPACKING_THREADS = 2
MAX_DROP_BYTES = 64 << 20
MAX_DROP_S = 2.0
"""How much of a refused body is read, and for how long."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """The limits of one server. Sizes are in bytes.

    A body must bring `rate` bytes a second, or all that is missing, in each `window` of seconds.
    One client may hold half of `total`. Large bodies leave an eighth of it to small ones.
    """

    body: int = 32 << 20
    total: int = 256 << 20
    small: int = 64 << 10
    rate: int = 16 << 10
    window: float = 5.0

    @property
    def total_of_large(self) -> int:
        return self.total - self.total // 8

    @property
    def total_of_client(self) -> int:
        return self.total // 2


def divide_limits(limits: BodyLimits, workers: int) -> BodyLimits:
    """Return the limits of one of several workers, which share the memory for bodies.

    A client's share of a worker must hold a body of the largest size.
    """
    total = limits.total // workers
    return replace(limits, total=total, body=min(limits.body, total // 2))


class Admission:
    """The middleware. `json_limit` returns the limit of a JSON body for the served model.

    Golden requests pass: they come from this process, and high traffic must not keep a better model
    out.
    """

    def __init__(
        self, app: ASGIApp, limits: BodyLimits, json_limit: Callable[[], int] | None = None
    ) -> None:
        self.app = app
        self.limits = limits
        self._json_limit = json_limit or (lambda: limits.body)
        self.unpack = Work("unpacking", threads=UNPACKING_THREADS, max_waiting=64)
        # Only the server's one event loop changes these.
        self._total = 0
        self._by_client: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_golden_request(scope):
            await self.app(scope, receive, send)
            return
        try:
            head = read_body_head(scope)
        except TidemillError as error:
            await error_response(error, close=True)(scope, receive, send)
            return
        if head.timeout is not None:
            scope[DEADLINE_KEY] = monotonic() + head.timeout
        if not head.has_body:
            scope[BODY_AT_KEY] = perf_counter()
            await self.app(scope, receive, send)
            return
        upload = _Upload(self, client_of(scope), head, _is_here(scope))
        try:
            try:
                body = await upload.read(receive)
            except TidemillError as error:
                if not upload.complete:
                    await _drop_rest(scope, receive)
                # What is still to come is not read, so no request can follow on the connection.
                await error_response(error, close=True)(scope, receive, send)
                return
            scope[BODY_AT_KEY] = perf_counter()
            await self.app(scope, _replay(body, receive), send)
        finally:
            upload.release()

    def limit_of(self, head: BodyHead) -> int:
        """Return how many bytes this body may have."""
        most = self.limits.body
        return min(most, self._json_limit()) if head.media_type == JSON else most

    def take(self, client: str, size: int, before: int, declared: int) -> None:
        """Count `size` more bytes of a client's body. Raises Overloaded when there is no room."""
        limits = self.limits
        small = max(declared, before + size) <= limits.small
        room = (limits.total if small else limits.total_of_large) - self._total
        own_room = limits.total_of_client - self._by_client[client]
        missing = max(size, declared - before)
        if missing > room or (missing > own_room and not small):
            raise Overloaded(
                f"The requests in progress fill the {limits.total >> 20} MiB of this server.",
                hint="Try again shortly, or send less at a time.",
            )
        self._total += size
        self._by_client[client] += size

    def give_back(self, client: str, size: int) -> None:
        """Count a body out again."""
        self._total -= size
        self._by_client[client] -= size
        if not self._by_client[client]:
            del self._by_client[client]


class _Upload:
    """The body of one request on its way in."""

    def __init__(
        self, admission: Admission, client: str, head: BodyHead, is_here: Callable[[], bool]
    ) -> None:
        self._is_here = is_here
        self._admission = admission
        self._client = client
        self._head = head
        self._counted = 0
        self.complete = False

    async def read(self, receive: Receive) -> bytes:
        """Return the body, decompressed.

        Raises TooLarge, TooSlow, Overloaded, InvalidRequest, and ClientDisconnect when the client
        left before the end.
        """
        head, limit = self._head, self._admission.limit_of(self._head)
        if head.declared > limit:
            raise too_large(limit)
        if self._is_here():
            # No time-out can pass.
            parts = [self._accept(await receive(), limit)]
        else:
            parts = await self._receive_parts(receive, limit)
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        if head.gzip:
            body = await self._admission.unpack.run(unpack_gzip, body, limit)
            self._take(max(0, len(body) - self._counted))
        if head.media_type == JSON:
            body = without_mark(body)
        if boundary := form_boundary(head.content_type):
            body = check_form(body, boundary)
        return body

    async def _receive_parts(self, receive: Receive, limit: int) -> list[bytes]:
        limits = self._admission.limits
        enough = limits.rate * limits.window
        loop = asyncio.get_running_loop()
        parts: list[bytes] = []
        windowed = 0
        try:
            async with asyncio.timeout(limits.window) as timeout:
                while True:
                    message = await receive()
                    parts.append(self._accept(message, limit))
                    windowed += len(parts[-1])
                    if not message.get("more_body", False):
                        return parts
                    if windowed >= enough:
                        windowed = 0
                        timeout.reschedule(loop.time() + limits.window)
        except TimeoutError as error:
            raise TooSlow(
                f"The body came too slowly: {windowed:,} bytes in {limits.window:g} s.",
                hint=f"Send at least {limits.rate >> 10} KiB a second.",
            ) from error

    def _accept(self, message: Message, limit: int) -> bytes:
        """Return the part of the body in a message, counted."""
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        self.complete = not message.get("more_body", False)
        part: bytes = message.get("body", b"")
        if self._counted + len(part) > limit:
            raise too_large(limit)
        self._take(len(part))
        return part

    def _take(self, size: int) -> None:
        self._admission.take(self._client, size, self._counted, self._head.declared)
        self._counted += size

    def release(self) -> None:
        self._admission.give_back(self._client, self._counted)


def _is_here(scope: Scope) -> Callable[[], bool]:
    """Return a function that tells whether the whole body has come; False where nobody knows."""
    uploading = scope.get(UPLOADING_KEY)
    return (lambda: False) if uploading is None else (lambda: not uploading())


async def _drop_rest(scope: Scope, receive: Receive) -> None:
    """Read on for a while and keep nothing, so that a client that is sending reads the answer.

    It would see a reset connection otherwise. One that waits for `100 Continue` sends nothing yet.
    """
    if any(name == b"expect" for name, _ in scope["headers"]) or _is_here(scope)():
        return
    dropped = 0
    with suppress(TimeoutError):  # what is still to come is not read
        async with asyncio.timeout(MAX_DROP_S):
            while dropped < MAX_DROP_BYTES:
                message = await receive()
                if not message.get("more_body", False):
                    return
                dropped += len(message.get("body", b""))


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the whole body once, then what comes after it."""
    sent = False

    async def receive_body() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_body
