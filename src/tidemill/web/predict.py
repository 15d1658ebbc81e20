"""`POST /v1/predict`: one payload or many, as JSON or as files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from tidemill.codecs.codec import Payload
from tidemill.domain.errors import BadPayload, InvalidRequest, UnsupportedMedia
from tidemill.domain.types import Prediction
from tidemill.web.errors import invalid_field
from tidemill.web.preprocess import at_index
from tidemill.web.recipe_server import RecipeServer
from tidemill.web.reply import json_response

PATH = "/v1/predict"
INLINE_BYTES = 256 << 10
"""Bytes of JSON that the event loop parses itself; more would delay the other requests."""
INLINE_ANSWERS = 1_000
"""Answers that the event loop writes itself, for the same reason."""


class AnswerEntry(BaseModel):
    """The answer for one payload, target and item. `index` counts the request's payloads.

    `remarks` appears only when the codec has a remark on the payload.
    """

    index: int
    id: str
    version: str
    target: str
    item: str
    label: str
    confidence: float
    probabilities: dict[str, float]
    remarks: list[str] = Field([], description="For example: the text was too long and was cut.")


class Predictions(BaseModel):
    """One entry per payload, target and item; those of one payload share its prediction's id."""

    predictions: list[AnswerEntry]


def answer_entries(predictions: Sequence[Prediction]) -> list[dict[str, Any]]:
    """Return the entries of the response. The golden check reads them at every start."""
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


def build_predict_route(server: RecipeServer) -> APIRouter:
    """Return the route, which answers through `server`."""
    router = APIRouter(tags=["predict"])

    @router.post(PATH, summary="Predict one payload or many.", response_model=Predictions)
    async def predict(request: Request) -> Response:
        codec = server.context(request).slot.predictor.codec
        payloads = await _read_payloads(request, codec.payload, server.max_payloads)
        predictions = await server.predict(request, payloads)
        if sum(len(prediction.answers) for prediction in predictions) > INLINE_ANSWERS:
            return await run_in_threadpool(_response, predictions)
        return _response(predictions)

    return router


def _response(predictions: Sequence[Prediction]) -> Response:
    return json_response({"predictions": answer_entries(predictions)})


async def _read_payloads(request: Request, model: type[Payload], max_payloads: int) -> list[bytes]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        body = await request.body()
        if len(body) > INLINE_BYTES:
            return await run_in_threadpool(parse_payloads, body, model, max_payloads)
        return parse_payloads(body, model, max_payloads)
    if kind == "multipart/form-data":
        return await _read_files(request, max_payloads)
    raise UnsupportedMedia(
        f"This route does not read a body of type {kind or 'unknown'!r}.",
        hint="Send application/json, or multipart/form-data with parts named 'file'.",
    )


def parse_payloads(body: bytes, model: type[Payload], max_payloads: int) -> list[bytes]:
    """Return the payloads of a JSON body. Raises InvalidRequest, and BadPayload with the index."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The body is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise InvalidRequest("The body must be one JSON object.", hint=_body_hint(model))
    rows = content.get("instances", [content])
    if not isinstance(rows, list) or not rows:
        raise InvalidRequest(
            "'instances' must be a list of at least one payload.", hint=_body_hint(model)
        )
    _check_count(len(rows), max_payloads)
    return [_parse_row(row, model, index, len(rows)) for index, row in enumerate(rows)]


def _parse_row(row: object, model: type[Payload], index: int, of: int) -> bytes:
    try:
        return model.model_validate(row).to_bytes()
    except ValidationError as error:
        place = f"instances.{index}" if of > 1 else ""
        raise invalid_field(error, place, hint=_body_hint(model)) from error
    except BadPayload as error:
        raise at_index(error, index, of=of) from error


async def _read_files(request: Request, max_payloads: int) -> list[bytes]:
    # One more than the limit, so that our own error names the limit.
    async with request.form(max_files=max_payloads + 1) as form:
        parts = form.getlist("file")
        files = [part for part in parts if isinstance(part, UploadFile)]
        if not files or len(files) != len(parts):
            raise InvalidRequest(
                "The form must have a part named 'file' that is a file.",
                hint="With curl: -F file=@leaf.jpg, once for each payload.",
            )
        _check_count(len(files), max_payloads)
        return [await file.read() for file in files]


def _check_count(count: int, max_payloads: int) -> None:
    if count > max_payloads:
        raise InvalidRequest(
            f"{count} payloads are too many for one request; at most {max_payloads}.",
            hint="Send several requests.",
        )


def _body_hint(model: type[Payload]) -> str:
    fields = ", ".join(f'"{name}": ...' for name in model.model_fields)
    return f'Send {{{fields}}} or {{"instances": [{{{fields}}}, ...]}}.'
