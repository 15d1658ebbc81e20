"""`POST /v1/feedback`: the right labels, durable before the server acknowledges them.

The actor of a label is the caller. A name in the body is a claim, which gives no right.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Request, Response
from msgspec import UNSET, Raw, UnsetType
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from tidemill.codecs.codec import Codec
from tidemill.domain.errors import BadPayload, InvalidRequest
from tidemill.domain.feedback import Feedback
from tidemill.loop.feedback_intake import MAX_ACTOR, LabelClaim
from tidemill.web.caller import Caller, caller_of
from tidemill.web.doubled_keys import refuse_doubled
from tidemill.web.errors import invalid_field
from tidemill.web.feedback_intake import LabelSource, PayloadLabel, PredictionLabel
from tidemill.web.fields import ShortText, require_plain, require_trimmed
from tidemill.web.json_body import (
    decode_body,
    estimate_parse_ns,
    parse_payload,
    rows_type,
)
from tidemill.web.media import JSON, media_type_of, unread_media
from tidemill.web.recipe_server import RecipeServer
from tidemill.web.reply import json_response

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


_FIELDS: list[tuple[str, Any, Any]] = [
    (name, (Raw if name == "payload" else str) | UnsetType, UNSET)
    for name in FeedbackRow.model_fields
]
_ROW_NAMES = [name for name, _, _ in _FIELDS]
_ROW = msgspec.json.Decoder(msgspec.defstruct("Label", _FIELDS, forbid_unknown_fields=True))
_BODY = msgspec.json.Decoder(
    msgspec.defstruct(
        "Labels",
        [*_FIELDS, ("feedback", rows_type(MAX_LABELS) | UnsetType, UNSET)],
        forbid_unknown_fields=True,
    )
)


@dataclass(frozen=True, slots=True)
class Receipt(Feedback):
    """The record of one label. `repeated`: the same client gave the same label before."""

    repeated: bool = False


class Receipts(BaseModel):
    """One receipt for each label, in the order of the request."""

    feedback: list[Receipt]


def build_feedback_route(server: RecipeServer) -> APIRouter:
    """Return the route, which records through `server`."""
    router = APIRouter(tags=["feedback"])

    @router.post(
        FEEDBACK_PATH,
        summary="Record the right labels.",
        response_model=Receipts,
        responses={status: {} for status in (404, 409, 410)},
        openapi_extra={"requestBody": _request_body()},
    )
    async def feedback(request: Request) -> Response:
        kind = media_type_of(request.headers.get("content-type", ""))
        if kind != JSON:
            raise unread_media(kind, JSON)
        rows = await _parse_rows(request, server, await request.body())
        recorded = await server.feedback_intake.record(server.context(request), rows)
        receipts = [
            Receipt(**asdict(without_client(record)), repeated=repeated)
            for record, repeated in recorded
        ]
        return json_response({"feedback": receipts})

    return router


def without_client(record: Feedback) -> Feedback:
    """Return the record as anybody may see it: an address is for reviewers."""
    return replace(record, client="")


async def _parse_rows(request: Request, server: RecipeServer, body: bytes) -> list[LabelSource]:
    """Return the labels of a body, with their payloads decoded."""
    caller = caller_of(request.scope)
    cost = estimate_parse_ns(server.codec(request).payload, body)
    rows = await server.read(request, parse_feedback, body, cost_ns=cost)
    places = [at for at, (_, payload) in enumerate(rows) if payload is not None]
    payloads = [payload for _, payload in rows if payload is not None]
    try:
        decoded = iter(await server.decode(request, payloads))
    except BadPayload as error:
        if len(rows) == 1:
            raise
        message = error.message.removeprefix(f"Payload {error.index}: ")
        raise BadPayload(f"feedback.{places[error.index]}: {message}", hint=error.hint) from error
    return [
        PredictionLabel(row.prediction, row.item, _claim(row, caller))
        if payload is None
        else PayloadLabel(payload, next(decoded), _claim(row, caller))
        for row, payload in rows
    ]


def _claim(row: FeedbackRow, caller: Caller) -> LabelClaim:
    return LabelClaim(row.target, row.label, caller.actor, row.actor, caller.client)


def parse_feedback(codec: Codec[Any], body: bytes) -> list[tuple[FeedbackRow, bytes | None]]:
    """Return the labels of a body, each with its payload if it brings one.

    Raises InvalidRequest, naming the wrong field, and BadPayload.
    """
    content = decode_body(_BODY, body, hint=BODY_HINT)
    rows = content.feedback
    if rows is UNSET:
        return [_parse_row(codec, body, "")]
    others = [name for name in FeedbackRow.model_fields if getattr(content, name) is not UNSET]
    labels = [row for row in msgspec.structs.astuple(rows) if row is not UNSET]
    if others or not labels:
        raise InvalidRequest(
            "'feedback' must be the only field and a list of at least one.", hint=BODY_HINT
        )
    refuse_doubled(body, ("feedback",), hint=BODY_HINT)
    return [_parse_row(codec, row, f"feedback.{at}") for at, row in enumerate(labels)]


def _parse_row(
    codec: Codec[Any], content: Raw | bytes, place: str
) -> tuple[FeedbackRow, bytes | None]:
    try:
        read = decode_body(_ROW, bytes(content), hint=BODY_HINT)
    except InvalidRequest as error:
        message = ": ".join(filter(None, [place, error.message]))
        raise InvalidRequest(message, hint=BODY_HINT) from error
    refuse_doubled(bytes(content), tuple(_ROW_NAMES), place, hint=BODY_HINT)
    fields = {
        name: value
        for name, value in msgspec.structs.asdict(read).items()
        if value is not UNSET and name != "payload"
    }
    sent = b"null" if read.payload is UNSET else bytes(read.payload)
    try:
        row = FeedbackRow.model_validate(fields)
    except ValidationError as error:
        raise invalid_field(error, place, hint=BODY_HINT) from error
    if bool(row.prediction) == (sent != b"null"):
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
    if sent == b"null":
        return row, None
    field = ".".join(filter(None, [place, "payload"]))
    return row, parse_payload(sent, codec.payload, field)


def _request_body() -> dict[str, Any]:
    one = FeedbackRow.model_json_schema()
    rows = {"type": "array", "items": one, "minItems": 1, "maxItems": MAX_LABELS}
    many = {"type": "object", "required": ["feedback"], "properties": {"feedback": rows}}
    schema = {"anyOf": [one, many]}
    return {"required": True, "content": {"application/json": {"schema": schema}}}
