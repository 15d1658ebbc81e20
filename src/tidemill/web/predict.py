"""`POST /v1/predict`: one payload or many, as JSON or as files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from tidemill.domain.errors import InvalidRequest
from tidemill.domain.types import Prediction
from tidemill.web.hot_path import Endpoint, content_type_of, read_body
from tidemill.web.json_body import estimate_parse_ns, parse_payloads
from tidemill.web.media import FORM, JSON, media_type_of, unread_media
from tidemill.web.multipart import FormFile, form_boundary, read_form
from tidemill.web.recipe_server import RecipeServer
from tidemill.web.reply import json_response, write_predictions

PATH = "/v1/predict"


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


def build_predict_endpoint(server: RecipeServer) -> Endpoint:
    """Return the function of the route, which answers through `server`."""

    async def predict(request: Request) -> Response:
        payloads = await _read_payloads(request, server)
        predictions = await server.predict(request, payloads)
        return await write_predictions(predictions, _response)

    return predict


def build_predict_route(endpoint: Endpoint) -> APIRouter:
    """Return the route, for the OpenAPI document: `HotPath` answers before it."""
    router = APIRouter(tags=["predict"])
    router.post(PATH, summary="Predict one payload or many.", response_model=Predictions)(endpoint)
    return router


def _response(predictions: Sequence[Prediction]) -> Response:
    return json_response({"predictions": answer_entries(predictions)})


async def _read_payloads(request: Request, server: RecipeServer) -> Sequence[bytes]:
    content_type = content_type_of(request.scope)
    body = await read_body(request)
    kind = media_type_of(content_type)
    if kind == JSON:
        cost = estimate_parse_ns(server.codec(request).payload, body)
        return await server.read(request, parse_payloads, body, server.max_payloads, cost_ns=cost)
    if kind == FORM:
        return _files(read_form(body, form_boundary(content_type)), server.max_payloads)
    raise unread_media(kind, "application/json, or multipart/form-data with parts named 'file'")


def _files(form: Sequence[FormFile], max_payloads: int) -> list[bytes]:
    parts = [part for part in form if part.name == "file"]
    if not parts or not all(part.is_file for part in parts):
        raise InvalidRequest(
            "The form must have a part named 'file' that is a file.",
            hint="With curl: -F file=@leaf.jpg, once for each payload.",
        )
    if strange := [part.name for part in form if part.name != "file"]:
        raise InvalidRequest(
            f"The form has a part named {strange[0][:80]!r}; this route reads 'file' alone.",
            hint="With curl: -F file=@leaf.jpg, once for each payload.",
        )
    if len(parts) > max_payloads:
        raise InvalidRequest(
            f"{len(parts)} payloads are too many for one request; at most {max_payloads}.",
            hint="Send several requests.",
        )
    return [part.content for part in parts]
