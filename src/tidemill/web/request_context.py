"""Who sent a request, what answers it, and until when. The ASGI scope holds it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import cast

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from tidemill.domain.drift import RequestKind
from tidemill.domain.errors import TimedOut
from tidemill.web.caller import caller_of
from tidemill.web.slots import Slot

GONE_KEY = "tidemill.client_gone"
"""Where the ASGI scope holds a function that returns True once the client has left."""
UPLOADING_KEY = "tidemill.uploading"
"""Where it holds a function that returns True while a part of the body is still to come."""
DEADLINE_KEY = "tidemill.deadline"
"""Where it holds the `monotonic` time by which the client wants the answer, if it named one."""
BODY_AT_KEY = "tidemill.body_at"
"""Where it holds the `perf_counter` time at which the body was complete."""
REQUEST_ID_KEY, TRACEPARENT_KEY = "tidemill.request_id", "tidemill.traceparent"
"""Where it holds the id of the request, and its place in the client's trace, if it has one."""
_KEY = "tidemill.context"
"""Where it holds the context. No header or path reaches these names."""


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The slot that answers one request, and who sent it: a client or the golden check.

    `client` tells clients apart for their turns. `is_gone` returns True once nobody waits.
    """

    slot: Slot
    kind: RequestKind
    client: str = ""
    is_gone: Callable[[], bool] = _never
    deadline: float = math.inf
    request_id: str = ""
    traceparent: str = ""

    def refusal(self) -> Exception | None:
        """Return why nobody wants the answer any more; None while its client waits."""
        if self.is_gone():
            return ClientDisconnect()
        if self.deadline < math.inf and monotonic() > self.deadline:
            return too_late()
        return None


def too_late() -> TimedOut:
    """Return the error of a request whose deadline has passed."""
    return TimedOut("The request waited longer than its X-Request-Timeout.")


def context_of(scope: Scope, slot: Callable[[], Slot]) -> RequestContext:
    """Return the context of a request; every call returns the same one.

    `slot` picks the slot when the request has none yet, and may raise NotReady.
    """
    if _KEY not in scope:
        scope[_KEY] = RequestContext(
            slot(),
            "live",
            client_of(scope),
            scope.get(GONE_KEY, _never),
            scope.get(DEADLINE_KEY, math.inf),
            scope.get(REQUEST_ID_KEY, ""),
            scope.get(TRACEPARENT_KEY, ""),
        )
    return cast(RequestContext, scope[_KEY])


def version_of(scope: Scope) -> str | None:
    """Return the version that answers a request; None where none does."""
    context = scope.get(_KEY)
    return context.slot.version.id if context else None


def client_of(scope: Scope) -> str:
    """Return what tells clients apart: the key, else the address."""
    caller = caller_of(scope)
    if caller.key or caller.address:
        return caller.key or caller.address
    client = scope.get("client")
    return client[0] if client else ""


def pin_slot(app: ASGIApp, slot: Slot) -> ASGIApp:
    """Return the same app, answering with `slot`; it logs its predictions as golden."""

    async def pinned_app(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, _KEY: RequestContext(slot, "golden")}, receive, send)

    return pinned_app


def is_golden_request(scope: Scope) -> bool:
    """Return True for a request of the golden check."""
    return _KEY in scope and scope[_KEY].kind == "golden"
