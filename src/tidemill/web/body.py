"""Limits on request bodies, each one and all together, applied while they are read."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidemill.domain.errors import Overloaded
from tidemill.web.errors import FailureResponse, error_response
from tidemill.web.recipe_server import is_golden_request

MAX_BODY_BYTES = 32 << 20
"""Bytes of one body. A request may hold many payloads; each codec limits the single one."""

MAX_TOTAL_BYTES = 256 << 20
"""Bytes of all bodies in memory, from the first byte to the end of the answer.

The queue limits what waits for the model; this limits what is in memory before the queue.
"""

CLOSE = {"Connection": "close"}
"""The rest of the body is not read, so no request can follow on the connection."""


class BodyLimit:
    """Answers 413 to a body that is too large, and 503 when all bodies together are too large.

    At once when the request declares its length, else when the first byte too many arrives. Golden
    requests are never refused: high traffic must not keep a better model out.
    """

    def __init__(
        self, app: ASGIApp, max_body: int = MAX_BODY_BYTES, max_total: int = MAX_TOTAL_BYTES
    ) -> None:
        self.app = app
        self.max_body = max_body
        self.max_total = max_total
        # Only the server's one event loop changes this: golden requests have a loop of their own.
        self._total = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_golden_request(scope):
            await self.app(scope, receive, send)
            return
        declared = _declared_length(scope)
        if declared > self.max_body:
            refusal = FailureResponse("too_large", self._message, status=413, headers=CLOSE)
            await refusal(scope, receive, send)
            return
        if self._total + declared > self.max_total:
            await error_response(self._full(), close=True)(scope, receive, send)
            return
        received = 0

        async def counting_receive() -> Message:
            nonlocal received
            message = await receive()
            size = len(message.get("body", b""))
            received += size
            self._total += size
            # FastAPI passes HTTPException on from the reading of a body, and no other error.
            if received > self.max_body:
                raise HTTPException(413, self._message, CLOSE)
            if self._total > self.max_total:
                raise HTTPException(503, headers=CLOSE) from self._full()
            return message

        try:
            await self.app(scope, counting_receive, send)
        finally:
            self._total -= received

    @property
    def _message(self) -> str:
        return f"A request may hold {self.max_body >> 20} MiB at most."

    def _full(self) -> Overloaded:
        return Overloaded(
            f"The requests in progress fill the {self.max_total >> 20} MiB of this server.",
            hint="Try again shortly, or send less at a time.",
        )


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        # The HTTP parser refuses anything but digits; the count of bytes holds in any case.
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
