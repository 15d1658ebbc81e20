"""`HEAD` wherever `GET` works: the same status and headers, and no body."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidemill.web.errors import REASON_KEY

CARRIED = ("route", REASON_KEY)
"""What the app writes into the scope of the request, for the middlewares around this one."""


class HeadRequests:
    """Asks the app with `GET` for a `HEAD`, and drops the body of the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        # A copy, because the HTTP server reads the method after this, too.
        as_get = {**scope, "method": "GET"}
        try:
            await self.app(as_get, receive, send_head)
        finally:
            scope.update({key: as_get[key] for key in CARRIED if key in as_get})
