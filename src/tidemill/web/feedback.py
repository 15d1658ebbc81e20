"""`POST /v1/feedback`: the right labels, durable before the server acknowledges them.

The actor of a label is the caller. A name in the body is a claim, which gives no right.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from tidemill.codecs.codec import Payload
from tidemill.domain.errors import InvalidRequest, TidemillError, UnsupportedMedia
from tidemill.domain.feedback import Feedback
from tidemill.loop.feedback_intake import (
    MAX_ACTOR,
    LabelClaim,
    PredictionLookup,
    ResolvedLabel,
    record_labels,
    resolve_payload_label,
)
from tidemill.serving import ServerParts
from tidemill.web.caller import Caller, caller_of
from tidemill.web.errors import invalid_field
from tidemill.web.fields import ShortText, require_plain, require_trimmed
from tidemill.web.reply import json_response
from tidemill.web.slots import Slot, Slots, SlotState

FEEDBACK_PATH = "/v1/feedback"
MAX_LABELS = 100
"""Labels that one request may hold."""
BODY_HINT = (
    'Send {"prediction": id, "label": name} or {"payload": {...}, "label": name}, '
    'or many as {"feedback": [...]}.'
)


class FeedbackRow(BaseModel):
    """One label, of an earlier prediction or of the payload in the request."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prediction: ShortText = Field("", description="The id of the prediction.")
    payload: dict[str, Any] | None = Field(None, description="The same form as for /v1/predict.")
    target: ShortText = Field("", description="Optional where the model has one target.")
    item: ShortText = Field(
        "", description="The item of a prediction; needed only where it has several."
    )
    label: Annotated[ShortText, Field(min_length=1)]
    actor: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_ACTOR,
            description="A name that the caller claims to have. It gives no right.",
        ),
        AfterValidator(require_plain),
        AfterValidator(require_trimmed),
    ] = ""


@dataclass(frozen=True, slots=True)
class Receipt(Feedback):
    """The record of one label. `repeated`: the same client gave the same label before."""

    repeated: bool = False


class Receipts(BaseModel):
    """One receipt for each label, in the order of the request."""

    feedback: list[Receipt]


def build_feedback_route(parts: ServerParts, slots: Slots) -> APIRouter:
    """Return the route over the parts of one server."""
    router = APIRouter(tags=["feedback"])

    @router.post(
        FEEDBACK_PATH,
        summary="Record the right labels.",
        response_model=Receipts,
        openapi_extra={"requestBody": _request_body()},
    )
    async def feedback(request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise UnsupportedMedia(
                f"This route does not read a body of type {kind or 'unknown'!r}.",
                hint="Send application/json.",
            )
        body = await request.body()
        caller = caller_of(request.scope)
        receipts = await run_in_threadpool(_record, parts, slots.state, body, caller)
        return json_response({"feedback": receipts})

    return router


def _record(parts: ServerParts, state: SlotState, body: bytes, caller: Caller) -> list[Receipt]:
    """Record every label of a request, or none."""
    rows = parse_feedback(body)
    champion = state.require_champion()
    lookup = PredictionLookup(parts, champion, state.find_slot)
    resolved = []
    for index, row in enumerate(rows):
        try:
            resolved.append(_resolve(lookup, champion, row, caller))
        except TidemillError as error:
            if len(rows) == 1:
                raise
            raise type(error)(f"feedback.{index}: {error.message}", hint=error.hint) from error
    return [
        Receipt(**asdict(without_client(record)), repeated=repeated)
        for record, repeated in record_labels(parts, resolved)
    ]


def without_client(record: Feedback) -> Feedback:
    """Return the record as anybody may see it: an address is for reviewers."""
    return replace(record, client="")


def parse_feedback(body: bytes) -> list[FeedbackRow]:
    """Return the labels of a body. Raises InvalidRequest, naming the wrong field."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The body is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise InvalidRequest("The body must be one JSON object.", hint=BODY_HINT)
    many = "feedback" in content
    rows = content["feedback"] if many else [content]
    if not isinstance(rows, list) or not rows or (many and len(content) > 1):
        raise InvalidRequest(
            "'feedback' must be the only field and a list of at least one.", hint=BODY_HINT
        )
    if len(rows) > MAX_LABELS:
        raise InvalidRequest(
            f"{len(rows)} labels are too many for one request; at most {MAX_LABELS}.",
            hint="Send several requests.",
        )
    return [_parse_row(row, f"feedback.{index}" if many else "") for index, row in enumerate(rows)]


def _parse_row(content: object, place: str) -> FeedbackRow:
    try:
        row = FeedbackRow.model_validate(content)
    except ValidationError as error:
        raise invalid_field(error, place, hint=BODY_HINT) from error
    if bool(row.prediction) == (row.payload is not None):
        raise InvalidRequest(
            ": ".join(filter(None, [place, "Either a prediction or a payload is needed."])),
            hint=BODY_HINT,
        )
    # An item without a prediction would be a new item, which no other label contradicts.
    if row.item and not row.prediction:
        raise InvalidRequest(
            ": ".join(filter(None, [place, f"A payload has no item {row.item!r} yet."])),
            hint="Predictions name the items; send the prediction's id instead of the payload.",
        )
    return row


def _resolve(
    lookup: PredictionLookup, champion: Slot, row: FeedbackRow, caller: Caller
) -> ResolvedLabel:
    claim = LabelClaim(row.target, row.label, caller.actor, row.actor, caller.client)
    if row.payload is None:
        return lookup.resolve_label(row.prediction, row.item, claim)
    model: type[Payload] = champion.predictor.codec.payload
    try:
        payload = model.model_validate(row.payload).to_bytes()
    except ValidationError as error:
        raise invalid_field(error, "payload", hint=BODY_HINT) from error
    return resolve_payload_label(champion, payload, claim)


def _request_body() -> dict[str, Any]:
    one = FeedbackRow.model_json_schema()
    rows = {"type": "array", "items": one, "minItems": 1, "maxItems": MAX_LABELS}
    many = {"type": "object", "required": ["feedback"], "properties": {"feedback": rows}}
    schema = {"anyOf": [one, many]}
    return {"required": True, "content": {"application/json": {"schema": schema}}}
