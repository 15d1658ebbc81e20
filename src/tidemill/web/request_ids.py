"""The middleware that gives each request an id, and that writes the access log.

An id of the client is taken when it is short and plain; else the server makes one. The answer
carries it. The prediction keeps it, and the client's `traceparent` (W3C Trace Context) with it.
"""

from __future__ import annotations

import re
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from tidemill.web.access_log import AccessLog
from tidemill.web.request_context import REQUEST_ID_KEY, TRACEPARENT_KEY, is_golden_request

REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
"""The ids of clients that are taken. They go into logs, headers and JSON as they are."""
TRACEPARENT = re.compile(
    rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
    rb"|(?!00|ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[!-~]{1,64})?"
)
"""A later version than 00 may add fields. Anything else is no trace, and is ignored."""
HEADER = b"x-request-id"


class RequestIds:
    """Names requests and logs them. Golden requests have no id and are not logged."""

    def __init__(self, app: ASGIApp, log: AccessLog) -> None:
        self.app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_golden_request(scope):
            await self.app(scope, receive, send)
            return
        id, trace = read_headers(scope)
        scope[REQUEST_ID_KEY] = id
        if trace:
            scope[TRACEPARENT_KEY] = trace
        header = (HEADER, id.encode())
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                # A new list: the response may be one that is sent again.
                message["headers"] = [*message["headers"], header]
            await send(message)

        if not self._log.is_on:
            await self.app(scope, receive, send_with_id)
            return
        start = perf_counter()
        try:
            await self.app(scope, receive, send_with_id)
        finally:
            self._log.write(scope, id, trace, status, perf_counter() - start)


def read_headers(scope: Scope) -> tuple[str, str]:
    """Return the id of a request, the client's or a new one, and its trace or an empty text."""
    id = trace = ""
    for name, value in scope["headers"]:
        if name == HEADER:
            id = value.decode() if REQUEST_ID.fullmatch(value) else ""
        elif name == b"traceparent":
            trace = value.decode() if TRACEPARENT.fullmatch(value) else ""
    return id or str(uuid7()), trace
