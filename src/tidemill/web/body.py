"""A bound on the size of request bodies, kept while they are read."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidemill.web.errors import failure
from tidemill.web.reply import reply

MOST = 32 << 20
"""Bytes of a body. A request may hold many payloads; each codec bounds the single one."""

CLOSE = {"Connection": "close"}
"""The rest of the body is not read, so nothing else can follow on the connection."""


class BodyLimit:
    """Answers 413, at the latest when the first byte too many arrives."""

    def __init__(self, app: ASGIApp, most: int = MOST) -> None:
        self.app = app
        self.most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if _declared(scope) > self.most:
            refusal = reply(failure("too_large", self._message), status=413, headers=CLOSE)
            await refusal(scope, receive, send)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.most:
                # The one exception that FastAPI hands on from the reading of a body.
                raise HTTPException(413, self._message, CLOSE)
            return message

        await self.app(scope, counted, send)

    @property
    def _message(self) -> str:
        return f"A request may hold {self.most >> 20} MiB at most."


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        # Anything but digits is refused by the HTTP parser in front; the count holds anyhow.
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
