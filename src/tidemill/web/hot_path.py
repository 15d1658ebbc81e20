"""Answers `POST /v1/predict` before the router, which takes as long as the rest without the model.

The route stays in the router for the OpenAPI document, with the same function. The golden check
asks through here, too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

from fastapi import Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from tidemill.domain.errors import TidemillError
from tidemill.web.errors import answer_error

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class HotRoute:
    """What metrics and the access log read of a route."""

    path: str


def content_type_of(scope: Scope) -> str:
    """Return the content type of a request; empty without one."""
    for name, value in scope["headers"]:
        if name == b"content-type":
            return cast(bytes, value).decode("latin-1")
    return ""


async def read_body(request: Request) -> bytes:
    """Return the body, which comes whole in one message through Admission.

    Raises ClientDisconnect.
    """
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    body: bytes = message.get("body", b"")
    return body + await request.body() if message.get("more_body") else body


class HotPath:
    """Calls `endpoint` for a POST to `path`, and the app for everything else."""

    def __init__(self, app: ASGIApp, path: str, endpoint: Endpoint) -> None:
        self.app = app
        self._route = HotRoute(path)
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._route
        if scope["type"] != "http" or scope["path"] != route.path or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        scope["route"] = route
        request = Request(scope, receive)
        try:
            response = await self._endpoint(request)
        except TidemillError as error:
            response = answer_error(request, error)
        await response(scope, receive, send)
