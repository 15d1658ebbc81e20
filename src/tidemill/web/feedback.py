"""`POST /v1/feedback`: what the right answer was, kept before it is acknowledged.

There is no authentication: feedback is attributed to whoever the request names.
"""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from tidemill.codecs.codec import Payload
from tidemill.domain.errors import TidemillError
from tidemill.domain.feedback import FeedbackStatus
from tidemill.loop.feedback import ANONYMOUS
from tidemill.serving import Serving
from tidemill.web.errors import Invalid, UnsupportedMedia
from tidemill.web.feedback_intake import Label, Meant, Recall, about_payload, champion_of, keep
from tidemill.web.reply import reply
from tidemill.web.slots import Slot, Slots, View

PATH = "/v1/feedback"
MOST = 100
"""Labels that one request may give."""

Name = Annotated[str, Field(max_length=200)]
FORM = (
    'Send {"prediction": id, "label": name} or {"payload": {...}, "label": name}, '
    'or many as {"feedback": [...]}.'
)


class Given(BaseModel):
    """One label. It is about a prediction, or it brings the payload that a prediction takes."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prediction: Name = Field("", description="The id that came with the answer.")
    payload: dict[str, Any] | None = Field(None, description="As it is sent to /v1/predict.")
    target: Name = Field("", description="May be left out where the model has one.")
    item: Name = Field(
        "", description="Which item of a prediction; needed only where that has several."
    )
    label: Annotated[Name, Field(min_length=1)]
    actor: Annotated[Name, Field(min_length=1)] = ANONYMOUS


class Receipt(BaseModel):
    """What was kept. `repeated`: the same actor had said the same already."""

    id: str
    status: FeedbackStatus
    repeated: bool
    example: str


class Receipts(BaseModel):
    """One entry for each label, in the order of the request."""

    feedback: list[Receipt]


def build(serving: Serving, slots: Slots) -> APIRouter:
    """The route over the parts of one server."""
    router = APIRouter(tags=["feedback"])

    @router.post(
        PATH,
        summary="Say what the right answer was.",
        response_model=Receipts,
        openapi_extra={"requestBody": _described()},
    )
    async def feedback(request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise UnsupportedMedia(
                f"A body of type {kind or 'unknown'!r} is not read here.",
                hint="Send application/json.",
            )
        body = await request.body()
        return reply({"feedback": await run_in_threadpool(_take, serving, slots.view, body)})

    return router


def _take(serving: Serving, view: View, body: bytes) -> list[dict[str, Any]]:
    """Keep every label of a request, or none."""
    rows = from_json(body)
    champion, recall = champion_of(view), Recall(serving, view)
    meant = []
    for index, row in enumerate(rows):
        try:
            meant.append(_meant(recall, champion, row))
        except TidemillError as error:
            if len(rows) == 1:
                raise
            raise type(error)(f"feedback.{index}: {error.message}", hint=error.hint) from error
    return [
        {"id": item.id, "status": item.status, "repeated": repeated, "example": item.example}
        for item, repeated in keep(serving, meant)
    ]


def from_json(body: bytes) -> list[Given]:
    """The labels in a body. Raises Invalid, naming the field that does not fit."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"The body is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise Invalid("The body must be one JSON object.", hint=FORM)
    many = "feedback" in content
    rows = content["feedback"] if many else [content]
    if not isinstance(rows, list) or not rows or (many and len(content) > 1):
        raise Invalid("'feedback' must stand alone and be a list of at least one.", hint=FORM)
    if len(rows) > MOST:
        raise Invalid(
            f"{len(rows)} labels are too many for one request, {MOST} may be.",
            hint="Send several requests.",
        )
    return [_row(row, f"feedback.{index}" if many else "") for index, row in enumerate(rows)]


def _row(row: object, place: str) -> Given:
    try:
        given = Given.model_validate(row)
    except ValidationError as error:
        raise _misfit(error, place) from error
    if bool(given.prediction) == (given.payload is not None):
        raise Invalid(
            ": ".join(filter(None, [place, "Either a prediction or a payload is needed."])),
            hint=FORM,
        )
    # An item that nobody answered would be an item of its own, which no other label contradicts.
    if given.item and not given.prediction:
        raise Invalid(
            ": ".join(filter(None, [place, f"A payload has no item {given.item!r} yet."])),
            hint="Items are named by predictions; give the prediction's id in its place.",
        )
    return given


def _misfit(error: ValidationError, place: str) -> Invalid:
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(filter(None, [place, *(str(part) for part in first["loc"])])) or "body"
    return Invalid(f"{where}: {first['msg']}.", hint=FORM)


def _meant(recall: Recall, champion: Slot, given: Given) -> Meant:
    label = Label(given.target, given.label, given.actor)
    if given.payload is None:
        return recall.about(given.prediction, given.item, label)
    model: type[Payload] = champion.predictor.codec.payload
    try:
        payload = model.model_validate(given.payload).to_bytes()
    except ValidationError as error:
        raise _misfit(error, "payload") from error
    return about_payload(champion, payload, label)


def _described() -> dict[str, Any]:
    one = Given.model_json_schema()
    rows = {"type": "array", "items": one, "minItems": 1, "maxItems": MOST}
    many = {"type": "object", "required": ["feedback"], "properties": {"feedback": rows}}
    schema = {"anyOf": [one, many]}
    return {"required": True, "content": {"application/json": {"schema": schema}}}
