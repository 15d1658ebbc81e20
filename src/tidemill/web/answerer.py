"""One way to an answer, for the server's own route and for every recipe's."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import cast

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from tidemill.domain.errors import TidemillError
from tidemill.domain.types import Prediction
from tidemill.recipes.routes import Answering
from tidemill.web.batcher import Batcher, Kind
from tidemill.web.errors import NotReady
from tidemill.web.slots import Slot, Slots

_KEY = "tidemill.asked"
"""Where the ASGI scope keeps the slot of a request. No header or path reaches this name."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The slot that one request is answered with, and whether a client or a probe asks."""

    slot: Slot
    kind: Kind


class Answerer:
    """Picks a request's slot, once, and answers with it, where a proof asks as well."""

    def __init__(self, slots: Slots, batcher: Batcher) -> None:
        self._slots = slots
        self._batcher = batcher
        # Given once the recipe has built its routes, which need this.
        self.proved: Collection[tuple[str, str]] = ()

    @property
    def most(self) -> int:
        """Payloads that one request may hold."""
        return self._batcher.most

    def ready(self) -> bool:
        """True when a proved champion is being served."""
        return self._slots.view.champion is not None

    def asked(self, request: Request) -> Asked:
        """The slot of this request, the same however often it is asked. Raises NotReady."""
        if _KEY not in request.scope:
            view = self._slots.view
            if view.champion is None:
                raise NotReady(view.fault, hint="GET /v1/ready tells when it is.")
            request.scope[_KEY] = Asked(view.champion, "live")
        return cast(Asked, request.scope[_KEY])

    async def answer(self, request: Request, payloads: Sequence[bytes]) -> list[Prediction]:
        """One prediction per payload, durable before this returns.

        Raises BadPayload, Invalid, NotReady, Overloaded and StorageFailed; and TidemillError, a
        500, where no probe asks: nothing proves what that route makes of an answer. The path is
        the one in the request, so a route that is mounted, nested or has parameters is held to
        the very paths that were asked.
        """
        way = (request.scope["method"], request.scope["path"])
        if way not in self.proved:
            raise TidemillError(
                f"{' '.join(way)} is asked by no probe, so it is given no answer.",
                hint="Return a Probe for it from the recipe's routes.",
            )
        asked = self.asked(request)
        return await self._batcher.answer(asked.slot, payloads, asked.kind) if payloads else []


def asking(app: ASGIApp, slot: Slot) -> ASGIApp:
    """The same app, answering with `slot`; what it answers is logged as probes."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, _KEY: Asked(slot, "golden")}, receive, send)

    return wrapped


def is_probe(scope: Scope) -> bool:
    """True when the server asks itself."""
    return _KEY in scope and scope[_KEY].kind == "golden"


def _proof(answerer: Answerer) -> Answering:
    """Lets mypy prove that this meets the contract."""
    return answerer
