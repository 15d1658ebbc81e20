"""`POST /v1/predict`: one payload or many, as JSON or as files, on one route."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from tidemill.codecs.codec import Payload
from tidemill.domain.errors import BadPayload
from tidemill.domain.types import Prediction
from tidemill.web.answerer import Answerer
from tidemill.web.errors import Invalid, UnsupportedMedia
from tidemill.web.preprocess import at_index
from tidemill.web.reply import reply

PATH = "/v1/predict"
SMALL = 256 << 10
"""Bytes of JSON that are parsed at once; more would hold up the other requests."""
FEW = 1_000
"""Answers that are written at once, for the same reason."""


class Entry(BaseModel):
    """What was said about one payload for one target. `index` counts the request's payloads.

    `remarks` is there only when there is something to say about how the payload was read.
    """

    index: int
    id: str
    version: str
    target: str
    item: str
    label: str
    confidence: float
    probabilities: dict[str, float]
    remarks: list[str] = Field([], description="Such as that a text was too long and was cut.")


class Predictions(BaseModel):
    """One entry per payload, target and item; those of one payload share its prediction's id."""

    predictions: list[Entry]


def entries(predictions: Sequence[Prediction]) -> list[dict[str, Any]]:
    """What a client is told. The golden samples are read back through this on every start."""
    return [
        {
            "index": index,
            "id": prediction.id,
            "version": prediction.version,
            "target": answer.target,
            "item": answer.item,
            "label": answer.label,
            "confidence": answer.confidence,
            "probabilities": answer.probabilities,
        }
        | ({"remarks": prediction.remarks} if prediction.remarks else {})
        for index, prediction in enumerate(predictions)
        for answer in prediction.answers
    ]


def build(answerer: Answerer) -> APIRouter:
    """The route, answering through `answerer`."""
    router = APIRouter(tags=["predict"])

    @router.post(PATH, summary="Answer one payload or many.", response_model=Predictions)
    async def predict(request: Request) -> Response:
        codec = answerer.asked(request).slot.predictor.codec
        payloads = await _payloads(request, codec.payload, answerer.most)
        predictions = await answerer.answer(request, payloads)
        if sum(len(prediction.answers) for prediction in predictions) > FEW:
            return await run_in_threadpool(_said, predictions)
        return _said(predictions)

    return router


def _said(predictions: Sequence[Prediction]) -> Response:
    return reply({"predictions": entries(predictions)})


async def _payloads(request: Request, model: type[Payload], most: int) -> list[bytes]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        body = await request.body()
        if len(body) > SMALL:
            return await run_in_threadpool(from_json, body, model, most)
        return from_json(body, model, most)
    if kind == "multipart/form-data":
        return await _from_files(request, most)
    raise UnsupportedMedia(
        f"A body of type {kind or 'unknown'!r} is not read here.",
        hint="Send application/json, or multipart/form-data with parts named 'file'.",
    )


def from_json(body: bytes, model: type[Payload], most: int) -> list[bytes]:
    """The payloads in a JSON body. Raises Invalid, and BadPayload naming the index."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"The body is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise Invalid("The body must be one JSON object.", hint=_form(model))
    rows = content.get("instances", [content])
    if not isinstance(rows, list) or not rows:
        raise Invalid("'instances' must be a list of at least one payload.", hint=_form(model))
    _bounded(len(rows), most)
    return [_row(row, model, index, len(rows)) for index, row in enumerate(rows)]


def _row(row: object, model: type[Payload], index: int, of: int) -> bytes:
    try:
        return model.model_validate(row).to_bytes()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(["instances", str(index)] if of > 1 else [])
        where = ".".join(filter(None, [where, *(str(part) for part in first["loc"])])) or "body"
        raise Invalid(f"{where}: {first['msg']}.", hint=_form(model)) from error
    except BadPayload as error:
        raise at_index(error, index, of=of) from error


async def _from_files(request: Request, most: int) -> list[bytes]:
    # One more than may be, so that it is we who say that there are too many.
    async with request.form(max_files=most + 1) as form:
        parts = form.getlist("file")
        files = [part for part in parts if isinstance(part, UploadFile)]
        if not files or len(files) != len(parts):
            raise Invalid(
                "The form must have a part named 'file' that is a file.",
                hint="With curl: -F file=@leaf.jpg, once for each payload.",
            )
        _bounded(len(files), most)
        return [await file.read() for file in files]


def _bounded(count: int, most: int) -> None:
    if count > most:
        raise Invalid(
            f"{count} payloads are too many for one request, {most} may be.",
            hint="Send several requests.",
        )


def _form(model: type[Payload]) -> str:
    fields = ", ".join(f'"{name}": ...' for name in model.model_fields)
    return f'Send {{{fields}}} or {{"instances": [{{{fields}}}, ...]}}.'
