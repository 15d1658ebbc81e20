"""The JSON shape of every failure, `{"error": {"code", "message", "hint"}}`, and its status."""

from __future__ import annotations

import asyncio
import logging
import unicodedata
from collections.abc import Mapping
from typing import cast

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidemill.domain.errors import (
    BadPayload,
    Conflict,
    Corrupt,
    DataError,
    DataRefused,
    Forbidden,
    ForeignLabel,
    GateRefused,
    InvalidRequest,
    LeaseLost,
    Malformed,
    NotFound,
    NotReady,
    Overloaded,
    PayloadGone,
    RateLimited,
    Starting,
    StorageFailed,
    TidemillError,
    TimedOut,
    TooLarge,
    TooSlow,
    Unauthorised,
    Unavailable,
    UnsupportedMedia,
    UsageError,
)
from tidemill.web.media import body_error
from tidemill.web.request_context import is_golden_request

log = logging.getLogger(__name__)

RETRY_AFTER = {"Retry-After": "1"}
WAITING_HELPS = (Overloaded, Starting, StorageFailed)
"""Errors that may pass by themselves: a full queue empties, a locked ledger or a full log is free
again. A server that refused its champion stays so until somebody acts.
"""

REASON_KEY = "tidemill.reason"
"""Where the ASGI scope holds the code of the error that answered the request."""
INFERENCE_PREFIX = "/v2/"
MAX_SENTENCE = 1_000
"""Characters of a message or a hint. Both may quote what the client sent."""

STATUS: dict[type[TidemillError], int] = {
    TidemillError: 500,
    UsageError: 400,
    InvalidRequest: 422,
    Malformed: 400,
    TooLarge: 413,
    TooSlow: 408,
    UnsupportedMedia: 415,
    ForeignLabel: 422,
    Unauthorised: 401,
    Forbidden: 403,
    RateLimited: 429,
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
    Starting: 503,
    Overloaded: 503,
    StorageFailed: 503,
    TimedOut: 504,
}
"""Every class of the tree has a line here; a test walks the tree."""

FRAMEWORK_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
}
"""Codes of the failures that the web framework raises itself."""


class FailureDetail(BaseModel):
    """`code` is stable and machine-readable; `hint` is the next thing to try."""

    code: str
    message: str
    hint: str


class Failure(BaseModel):
    """The body of every failure."""

    error: FailureDetail


class FailureResponse(Response):
    """The response of a failure. It leaves its code in the scope, where the metrics read it."""

    def __init__(
        self,
        code: str,
        message: str,
        hint: str = "",
        *,
        status: int,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        detail = {"code": code, "message": show_text(message), "hint": show_text(hint)}
        super().__init__(
            orjson.dumps({"error": detail}), status, headers, media_type="application/json"
        )
        self._code = code
        self._sentences = f"{detail['message']} {detail['hint']}".strip()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[REASON_KEY] = self._code
        if scope["path"].startswith(INFERENCE_PREFIX):
            # The Open Inference Protocol has an error shape of its own, and no 422.
            self.body = orjson.dumps({"error": self._sentences})
            self.headers["content-length"] = str(len(self.body))
            self.status_code = 400 if self.status_code == 422 else self.status_code
        await super().__call__(scope, receive, send)


def show_text(text: str) -> str:
    """Return a sentence of bounded length whose control characters are escaped."""
    if len(text) > MAX_SENTENCE:
        text = text[: MAX_SENTENCE - 3] + "..."
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(character) for character in text)


def _escape(character: str) -> str:
    """Escape what moves a cursor, turns the direction of a line, or is no character at all."""
    hidden = unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
    turns = unicodedata.bidirectional(character) in TURNS
    return character.encode("unicode_escape").decode() if hidden or turns else character


TURNS = {"LRE", "LRO", "RLE", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


CHALLENGES = (
    (b"www-authenticate", b'Bearer realm="tidemill"'),
    (b"www-authenticate", b'Basic realm="tidemill"'),
)
"""How a client may send a key; a 401 says so."""


def error_response(error: TidemillError, *, close: bool = False) -> FailureResponse:
    """Return the response to an error. `close`: no request can follow on the connection."""
    headers = {"Connection": "close"} if close else {}
    if isinstance(error, WAITING_HELPS):
        headers |= RETRY_AFTER
    if isinstance(error, RateLimited):
        headers |= {"Retry-After": str(error.wait_s)}
    response = FailureResponse(
        error.code, error.message, error.hint, status=status_of(error), headers=headers
    )
    if isinstance(error, Unauthorised):
        response.raw_headers += CHALLENGES
    return response


def status_of(error: TidemillError) -> int:
    """Return the status of an error."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def install_handlers(app: FastAPI) -> None:
    """Give `app` its error handlers."""
    app.add_exception_handler(TidemillError, _handle_own)
    app.add_exception_handler(RequestValidationError, _handle_validation)
    app.add_exception_handler(HTTPException, _handle_framework)


def invalid_field(error: ValidationError, place: str, *, hint: str) -> InvalidRequest:
    """Return the error that names the first wrong field of a body, below `place`."""
    first = error.errors(include_input=False, include_url=False)[0]
    field = ".".join(filter(None, [place, *(str(part) for part in first["loc"])])) or "body"
    return InvalidRequest(f"{field}: {first['msg'].removeprefix('Value error, ')}.", hint=hint)


async def _handle_own(request: Request, raised: Exception) -> Response:
    return answer_error(request, cast(TidemillError, raised))


def answer_error(request: Request, error: TidemillError) -> Response:
    """Return the response to an error of a request; a 500 is logged."""
    if status_of(error) == 500:
        log.error("%s %s: %s", request.method, request.url.path, error, exc_info=error)
    return error_response(error)


async def _handle_validation(request: Request, raised: Exception) -> Response:
    first = cast(RequestValidationError, raised).errors()[0]
    if (error := body_error(request, first)) is not None:
        return error_response(error)
    field = ".".join(str(part) for part in first["loc"])
    return FailureResponse(
        InvalidRequest.code,
        f"{field}: {first['msg']}.",
        "See /docs for the form that the route takes.",
        status=422,
    )


async def _handle_framework(request: Request, raised: Exception) -> Response:
    error = cast(HTTPException, raised)
    if isinstance(error.__cause__, TidemillError):
        # One of our own errors, wrapped so that FastAPI passes it on.
        response = await _handle_own(request, error.__cause__)
        response.headers.update(error.headers or {})
        return response
    if isinstance(error.__cause__, UnicodeDecodeError):
        return error_response(
            InvalidRequest("The body is not JSON in UTF-8.", hint="Encode it as UTF-8.")
        )
    code = FRAMEWORK_CODES.get(error.status_code, f"http_{error.status_code}")
    message = {
        404: f"There is no route {request.url.path}.",
        405: f"{request.url.path} does not take {request.method}.",
    }.get(error.status_code, str(error.detail))
    headers = dict(error.headers or {})
    if "GET" in headers.get("Allow", "").split(", "):
        headers["Allow"] += ", HEAD"  # as HeadRequests answers
    return FailureResponse(
        code, message, "See /docs for the routes.", status=error.status_code, headers=headers
    )


INTERNAL = (
    "internal",
    "The server failed at this request.",
    "The server's log has the cause.",
)
STOPPING = Unavailable("The server is stopping.")
GONE = ("client_gone", "The client went away before its request was read.")


class ErrorGuard:
    """Turns an unexpected error into a logged 500 that shows the client no internals."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watching_send(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            await self.app(scope, receive, watching_send)
        except ClientDisconnect:
            # There is no client to answer. The status is for the metrics alone.
            log.debug("%s %s: the client went away", scope["method"], scope["path"])
            if not started:
                await FailureResponse(*GONE, status=499)(scope, receive, send)
        except asyncio.CancelledError:
            # The HTTP server ends what is not answered in time when it stops. It would answer
            # with a page of its own and log the stack. The golden check ends its requests itself.
            if started or is_golden_request(scope):
                raise
            await error_response(STOPPING, close=True)(scope, receive, send)
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            if started:
                raise
            await FailureResponse(*INTERNAL, status=500)(scope, receive, send)
