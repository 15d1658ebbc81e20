"""The recipe's own HTTP route. The server loads this file; it must not import scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from tidemill.codecs.columns import row_to_json
from tidemill.recipes.routes import (
    GoldenRequest,
    PredictionServer,
    Routes,
    ShownAnswer,
    prediction_headers,
)

TARGET = "diagnosis"


class Diagnosis(BaseModel):
    """What the tumour is, and how likely each answer is."""

    diagnosis: str
    probabilities: dict[str, float]


def build(server: PredictionServer) -> Routes:
    """`POST /diagnose/`: the measurements as one JSON object."""
    router = APIRouter()

    @router.post("/diagnose/", summary="Diagnose one tumour.")
    async def diagnose(request: Request, response: Response, row: dict[str, float]) -> Diagnosis:
        [prediction] = await server.predict(request, [row_to_json(row)])
        [answer] = prediction.answers
        response.headers.update(prediction_headers(prediction))
        return Diagnosis(diagnosis=answer.label, probabilities=dict(answer.probabilities))

    return Routes(
        router,
        golden_requests=(
            GoldenRequest("/diagnose/", build_request=_build_request, read_answers=_read_answers),
        ),
    )


def _build_request(payload: bytes) -> dict[str, Any]:
    return {"content": payload, "headers": {"content-type": "application/json"}}


def _read_answers(body: Any) -> Sequence[ShownAnswer]:
    return [(TARGET, body["diagnosis"], body["probabilities"])]
