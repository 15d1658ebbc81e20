"""Bounds on request bodies, each and all together, kept while they are read."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidemill.domain.errors import Overloaded
from tidemill.web.answerer import is_probe
from tidemill.web.errors import RETRY_AFTER, failure
from tidemill.web.reply import reply

MOST = 32 << 20
"""Bytes of a body. A request may hold many payloads; each codec bounds the single one."""

TOGETHER = 256 << 20
"""Bytes of all bodies that are held at once, from the first byte read to the end of the answer.

The queue bounds what waits for the model; this bounds what is in memory before it gets there.
"""

CLOSE = {"Connection": "close"}
"""The rest of the body is not read, so nothing else can follow on the connection."""


class BodyLimit:
    """Answers 413 to a body that is too large, and 503 to one that there is no room for.

    At once when the request says how long it is, else when the first byte too many arrives. Its
    own probes the server never refuses: a crowd must not keep a better model out.
    """

    def __init__(self, app: ASGIApp, most: int = MOST, together: int = TOGETHER) -> None:
        self.app = app
        self.most = most
        self.together = together
        # Changed on the server's one event loop alone: probes, which have their own, are not held.
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_probe(scope):
            await self.app(scope, receive, send)
            return
        declared = _declared(scope)
        if declared > self.most:
            refusal = reply(failure("too_large", self._message), status=413, headers=CLOSE)
            await refusal(scope, receive, send)
            return
        if self._held + declared > self.together:
            full = self._full()
            body = failure(full.code, full.message, full.hint)
            refusal = reply(body, status=503, headers={**CLOSE, **RETRY_AFTER})
            await refusal(scope, receive, send)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            size = len(message.get("body", b""))
            taken += size
            self._held += size
            # HTTPException is the one that FastAPI hands on from the reading of a body.
            if taken > self.most:
                raise HTTPException(413, self._message, CLOSE)
            if self._held > self.together:
                raise HTTPException(503, headers=CLOSE) from self._full()
            return message

        try:
            await self.app(scope, counted, send)
        finally:
            self._held -= taken

    @property
    def _message(self) -> str:
        return f"A request may hold {self.most >> 20} MiB at most."

    def _full(self) -> Overloaded:
        return Overloaded(
            f"The requests under way fill the {self.together >> 20} MiB that there are for them.",
            hint="Try again shortly, or send less at a time.",
        )


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        # Anything but digits is refused by the HTTP parser in front; the count holds anyhow.
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
