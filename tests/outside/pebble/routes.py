"""The pebble system's own HTTP routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from pebble.codec import Pebble
from pebble.stones import TARGET
from tidemill.domain.errors import Unavailable
from tidemill.recipes.routes import Answering, Probe, Routes, Said


class Health(BaseModel):
    status: str


class Weighed(BaseModel):
    """The stone, and how likely it is each of them."""

    stone: str
    probabilities: dict[str, float]


def build(answering: Answering) -> Routes:
    """`GET /health` and `POST /weigh`."""
    router = APIRouter()

    @router.get("/health", summary="Healthy means that a proved model answers.")
    async def health() -> Health:
        if not answering.ready():
            raise Unavailable("No proved model is being served.", hint="GET /v1/ready says why.")
        return Health(status="healthy")

    @router.post("/weigh", summary="Name the stone of one pebble.")
    async def weigh(request: Request, response: Response, pebble: Pebble) -> Weighed:
        [prediction] = await answering.answer(request, [pebble.to_bytes()])
        [answer] = prediction.answers
        response.headers["X-Prediction-Id"] = prediction.id
        return Weighed(stone=answer.label, probabilities=dict(answer.probabilities))

    return Routes(router, probes=(Probe("/weigh", request=_request, read=_read),))


def _request(payload: bytes) -> dict[str, Any]:
    return {"content": payload, "headers": {"content-type": "application/json"}}


def _read(body: Any) -> Sequence[Said]:
    return [(TARGET, body["stone"], body["probabilities"])]
