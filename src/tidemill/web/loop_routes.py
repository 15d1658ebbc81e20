"""The reading routes of the loop: feedback, drift and cycles, as the ledger has them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from tidemill.domain.cycle import Cycle
from tidemill.domain.feedback import FeedbackStatus
from tidemill.domain.ledger import UnitOfWork
from tidemill.loop.feedback import listed
from tidemill.loop.window import open_profiles
from tidemill.serving import Serving
from tidemill.web.read_routes import Limit
from tidemill.web.reply import reply

Count = Annotated[int, Query(ge=1, le=1000, description="How many.")]
Status = Annotated[
    FeedbackStatus | None,
    Query(description="Only these, the oldest first: in the order in which they are decided."),
]


def build(serving: Serving) -> APIRouter:
    """The routes over the parts of one server."""
    router = APIRouter(tags=["loop"])

    @router.get("/v1/feedback", summary="What people said, newest first, and what came of it.")
    def feedback(status: Status = None, limit: Count = 100) -> Response:
        with serving.ledger.begin(write=False) as unit:
            return reply({"feedback": listed(unit, status, limit=limit)})

    @router.get("/v1/drift", summary="How far the champion's traffic is from its reference.")
    def drift(limit: Limit = 100) -> Response:
        with serving.ledger.begin(write=False) as unit:
            return reply(_drift(unit, limit))

    @router.get("/v1/cycles", summary="The turns of the mill, newest first.")
    def cycles(limit: Limit = 100) -> Response:
        with serving.ledger.begin(write=False) as unit:
            return reply({"cycles": unit.latest(Cycle, limit=limit)})

    @router.get("/v1/cycles/{id}", summary="One turn of the mill, and its events.")
    def cycle(id: str) -> Response:
        with serving.ledger.begin(write=False) as unit:
            found = unit.get(Cycle, id)
            return reply(asdict(found) | {"events": unit.events(subject=id)})

    return router


def _drift(unit: UnitOfWork, limit: int) -> dict[str, Any]:
    """Only what stands there already: judging is the engine's."""
    champion = unit.alias("champion")
    if champion is None:
        return {"version": None, "open": 0, "verdicts": []}
    return {
        "version": champion.version,
        "open": sum(profile.n for profile in open_profiles(unit, champion)),
        "verdicts": unit.drift_verdicts(champion.version, limit=limit),
    }
