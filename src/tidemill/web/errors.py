"""Every failure as one JSON shape, `{"error": {"code", "message", "hint"}}`, and its status.

The errors that exist at the HTTP edge alone hang on the tree of `domain/errors.py`:

* UsageError
  + Invalid             the request does not have the form that the route asks for
  + UnsupportedMedia    the body has a content type that the route does not read
  + ForeignLabel        feedback names a target or a label that the model does not have
* TidemillError
  + Unauthorised        the request brings no token, or a wrong one
  + Forbidden           nobody may do this here
* NotFound
  + PayloadGone         the payload of a prediction is kept no longer
* Unavailable
  + NotReady            no proved model is being served
"""

from __future__ import annotations

import logging
from typing import cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidemill.domain.errors import (
    BadPayload,
    Conflict,
    Corrupt,
    DataError,
    DataRefused,
    GateRefused,
    LeaseLost,
    NotFound,
    Overloaded,
    StorageFailed,
    TidemillError,
    Unavailable,
    UsageError,
)
from tidemill.web.reply import reply

log = logging.getLogger(__name__)

RETRY_AFTER = {"Retry-After": "1"}


class Invalid(UsageError):
    """The request does not have the form that the route asks for."""

    code = "invalid"


class UnsupportedMedia(UsageError):
    """The body has a content type that the route does not read."""

    code = "unsupported_media_type"


class ForeignLabel(UsageError):
    """Feedback names a target or a label that the model does not have."""

    code = "foreign_label"


class Unauthorised(TidemillError):
    """The request brings no token, or a wrong one."""

    code = "unauthorised"


class Forbidden(TidemillError):
    """Nobody may do this here."""

    code = "forbidden"


class PayloadGone(NotFound):
    """The payload of a prediction is kept no longer."""

    code = "payload_gone"


class NotReady(Unavailable):
    """No proved model is being served."""

    code = "not_ready"


STATUS: dict[type[TidemillError], int] = {
    TidemillError: 500,
    UsageError: 400,
    Invalid: 422,
    UnsupportedMedia: 415,
    ForeignLabel: 422,
    Unauthorised: 401,
    Forbidden: 403,
    DataError: 500,
    BadPayload: 400,
    DataRefused: 422,
    Corrupt: 500,
    NotFound: 404,
    PayloadGone: 410,
    Conflict: 409,
    LeaseLost: 409,
    GateRefused: 409,
    Unavailable: 503,
    NotReady: 503,
    Overloaded: 503,
    StorageFailed: 503,
}
"""Every class of the tree has its line here; a test walks the tree."""

FRAMEWORK_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
}
"""Codes of what the web framework itself refuses."""


class Fault(BaseModel):
    """`code` is stable and machine-readable, `hint` is the next thing to try."""

    code: str
    message: str
    hint: str


class Failure(BaseModel):
    """The body of every failure."""

    error: Fault


def failure(code: str, message: str, hint: str = "") -> dict[str, dict[str, str]]:
    """The body of a failure."""
    return {"error": {"code": code, "message": message, "hint": hint}}


INTERNAL = failure("internal", "The server failed at this request.", "Its log has the cause.")
GONE = failure("client_gone", "The client went away before its request was read.")


def install(app: FastAPI) -> None:
    """Give `app` the one set of error handlers."""
    app.add_exception_handler(TidemillError, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _framework)


async def _refused(request: Request, raised: Exception) -> Response:
    error = cast(TidemillError, raised)
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    if status == 500:
        log.error("%s %s: %s", request.method, request.url.path, error, exc_info=error)
    return reply(
        failure(error.code, error.message, error.hint),
        status=status,
        headers=RETRY_AFTER if status == 503 else None,
    )


async def _malformed(_request: Request, raised: Exception) -> Response:
    first = cast(RequestValidationError, raised).errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return reply(
        failure(Invalid.code, f"{where}: {first['msg']}.", "See /docs for what the route takes."),
        status=422,
    )


async def _framework(request: Request, raised: Exception) -> Response:
    error = cast(HTTPException, raised)
    if isinstance(error.__cause__, TidemillError):
        # One of ours that had to look like one of theirs to get here.
        response = await _refused(request, error.__cause__)
        response.headers.update(error.headers or {})
        return response
    code = FRAMEWORK_CODES.get(error.status_code, f"http_{error.status_code}")
    message = {
        404: f"There is no route {request.url.path}.",
        405: f"{request.url.path} does not take {request.method}.",
    }.get(error.status_code, str(error.detail))
    return reply(
        failure(code, message, "See /docs for the routes."),
        status=error.status_code,
        headers=error.headers,
    )


class Guard:
    """Turns what nobody foresaw into a logged 500 that tells the client nothing of the inside."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            await self.app(scope, receive, noted)
        except ClientDisconnect:
            # Nobody is left to be answered. The status is for the metrics alone.
            log.debug("%s %s: the client went away", scope["method"], scope["path"])
            if not started:
                await reply(GONE, status=499)(scope, receive, send)
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            if started:
                raise
            await reply(INTERNAL, status=500)(scope, receive, send)
