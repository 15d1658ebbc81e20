"""The routes that move the champion, review labels and import them, under `admin` and `review`.

They do what the commands of the same names do, in one unit of work each. The server judges no
model: a promotion needs a verdict that a command or the engine has recorded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from tidemill.domain.api_key import KeyScope
from tidemill.domain.errors import Conflict
from tidemill.domain.feedback import Feedback
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import Verdict
from tidemill.loop import feedback, rollout
from tidemill.serving import ServerParts
from tidemill.web.caller import Caller, caller_of
from tidemill.web.fields import Reason, ShortText
from tidemill.web.files import refuse_doubled_fields
from tidemill.web.reply import json_response

PROMOTE_PATH, ROLLBACK_PATH = "/v1/models/promote", "/v1/models/rollback"
ACCEPT_PATH, REJECT_PATH = "/v1/feedback/accept", "/v1/feedback/reject"
IMPORT_PATH = "/v1/feedback/import"
ADMIN_SCOPES: dict[str, KeyScope] = {
    PROMOTE_PATH: "admin",
    ROLLBACK_PATH: "admin",
    IMPORT_PATH: "admin",
    ACCEPT_PATH: "review",
    REJECT_PATH: "review",
}
"""The access control refuses others before their body is read."""
UNKNOWN_OR_CHANGED: dict[int | str, dict[str, Any]] = {404: {}, 409: {}}
"""Failures that these routes give besides those of every route."""
MAX_REVIEWED = 100
"""Labels that one request may accept or reject."""

FeedbackImporter = Callable[[Caller], dict[str, Any]]
"""Reads the feedback database once for a caller, and returns what it counted."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Promotion(_Body):
    """The version to promote. `override` promotes it against its verdict."""

    version: Annotated[ShortText, Field(min_length=1)]
    reason: Reason = ""
    override: Reason = ""


class Withdrawal(_Body):
    """Why the champion is taken back."""

    reason: Reason = "rolled back over HTTP"


class Acceptance(_Body):
    """The labels to accept, all or none."""

    ids: Annotated[list[ShortText], Field(min_length=1, max_length=MAX_REVIEWED)]
    reason: Reason = "accepted over HTTP"


class Rejection(_Body):
    """The labels to reject, all or none, and why."""

    ids: Annotated[list[ShortText], Field(min_length=1, max_length=MAX_REVIEWED)]
    reason: Annotated[Reason, Field(min_length=1)]


class Promoted(BaseModel):
    """The new champion, the one before it, and the verdict that allowed it."""

    champion: str
    previous: str | None
    verdict: Verdict


class RolledBack(BaseModel):
    """The restored champion, the withdrawn one, and the ids of the labels quarantined with it."""

    champion: str
    previous: str
    quarantined: tuple[str, ...]


class Reviewed(BaseModel):
    """The labels after the decision."""

    feedback: list[Feedback]


class ImportedRows(BaseModel):
    """`left_out` counts the rows that could not be imported; `reasons` name the first of them."""

    rows: int
    new: int
    left_out: int
    reasons: list[str]


def build_model_routes(parts: ServerParts) -> APIRouter:
    """Return the routes that move the champion."""
    router = APIRouter(tags=["ledger"], dependencies=[Depends(refuse_doubled_fields)])

    @router.post(
        PROMOTE_PATH,
        summary="Make a judged version the champion.",
        response_model=Promoted,
        responses=UNKNOWN_OR_CHANGED,
    )
    def promote(request: Request, body: Promotion) -> Response:
        caller = _require(request, "admin")
        with parts.ledger.begin() as unit:
            unit.note_address(caller.address)
            verdict, previous = rollout.promote_judged(
                unit,
                body.version,
                actor=caller.actor,
                reason=body.reason,
                override=body.override.strip(),
                at=parts.clock.now(),
            )
        return json_response(
            {"champion": verdict.version, "previous": previous, "verdict": verdict}
        )

    @router.post(
        ROLLBACK_PATH,
        summary="Serve the previous champion again.",
        response_model=RolledBack,
        responses=UNKNOWN_OR_CHANGED,
    )
    def rollback(request: Request, body: Withdrawal) -> Response:
        caller = _require(request, "admin")
        with parts.ledger.begin() as unit:
            unit.note_address(caller.address)
            moved = rollout.rollback(
                unit, actor=caller.actor, reason=body.reason, at=parts.clock.now()
            )
        return json_response(
            {
                "champion": moved.champion,
                "previous": moved.previous,
                "quarantined": moved.quarantined_feedback,
            }
        )

    return router


def build_review_routes(parts: ServerParts, import_feedback: FeedbackImporter) -> APIRouter:
    """Return the routes that review labels and import them."""
    router = APIRouter(tags=["feedback"], dependencies=[Depends(refuse_doubled_fields)])
    importing = threading.Lock()

    @router.post(
        ACCEPT_PATH, summary="Accept labels.", response_model=Reviewed, responses=UNKNOWN_OR_CHANGED
    )
    def accept(request: Request, body: Acceptance) -> Response:
        return _review(parts, _require(request, "review"), "accept", body.ids, body.reason)

    @router.post(
        REJECT_PATH, summary="Reject labels.", response_model=Reviewed, responses=UNKNOWN_OR_CHANGED
    )
    def reject(request: Request, body: Rejection) -> Response:
        return _review(parts, _require(request, "review"), "reject", body.ids, body.reason)

    @router.post(
        IMPORT_PATH,
        summary="Import the new rows of the database.",
        response_model=ImportedRows,
        responses=UNKNOWN_OR_CHANGED,
    )
    def import_rows(request: Request) -> Response:
        caller = _require(request, "admin")
        if not importing.acquire(blocking=False):
            raise Conflict("An import is running.", hint="Ask again when it has ended.")
        try:
            return json_response(import_feedback(caller))
        finally:
            importing.release()

    return router


def _require(request: Request, scope: KeyScope) -> Caller:
    caller = caller_of(request.scope)
    caller.require(scope)
    return caller


def _review(
    parts: ServerParts,
    caller: Caller,
    decision: Literal["accept", "reject"],
    ids: list[str],
    reason: str,
) -> Response:
    decide = {"accept": feedback.accept, "reject": feedback.reject}[decision]

    def settle(unit: UnitOfWork, id: str) -> Feedback:
        return decide(unit, id, actor=caller.actor, reason=reason, at=parts.clock.now())

    with parts.ledger.begin() as unit:
        unit.note_address(caller.address)
        settled = [settle(unit, id) for id in ids]
    return json_response({"feedback": settled})
