"""The recipe's own HTTP route. The server loads this file; it must not import scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from tidemill.codecs.columns import canonical_row
from tidemill.recipes.routes import Answering, Probe, Routes, Said, headers

TARGET = "diagnosis"


class Diagnosis(BaseModel):
    """What the tumour is, and how likely each answer is."""

    diagnosis: str
    probabilities: dict[str, float]


def build(answering: Answering) -> Routes:
    """`POST /diagnose/`: the measurements as one JSON object."""
    router = APIRouter()

    @router.post("/diagnose/", summary="Diagnose one tumour.")
    async def diagnose(request: Request, response: Response, row: dict[str, float]) -> Diagnosis:
        [prediction] = await answering.answer(request, [canonical_row(row)])
        [answer] = prediction.answers
        response.headers.update(headers(prediction))
        return Diagnosis(diagnosis=answer.label, probabilities=dict(answer.probabilities))

    return Routes(router, probes=(Probe("/diagnose/", request=_request, read=_read),))


def _request(payload: bytes) -> dict[str, Any]:
    return {"content": payload, "headers": {"content-type": "application/json"}}


def _read(body: Any) -> Sequence[Said]:
    return [(TARGET, body["diagnosis"], body["probabilities"])]
