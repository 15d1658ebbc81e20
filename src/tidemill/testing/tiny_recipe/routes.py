"""The pebble system's own HTTP routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from tidemill.domain.errors import Unavailable
from tidemill.recipes.routes import GoldenRequest, PredictionServer, Routes, ShownAnswer
from tidemill.testing.tiny_recipe.codec import Pebble
from tidemill.testing.tiny_recipe.pebbles import TARGET


class Health(BaseModel):
    status: str


class Weighed(BaseModel):
    """The stone, and how likely it is each of them."""

    stone: str
    probabilities: dict[str, float]


def build(server: PredictionServer) -> Routes:
    """`GET /health` and `POST /weigh`."""
    router = APIRouter()

    @router.get("/health", summary="Healthy means that a proved model answers.")
    async def health() -> Health:
        if not server.ready():
            raise Unavailable("No proved model is being served.", hint="GET /v1/ready says why.")
        return Health(status="healthy")

    @router.post("/weigh", summary="Name the stone of one pebble.")
    async def weigh(request: Request, response: Response, pebble: Pebble) -> Weighed:
        [prediction] = await server.predict(request, [pebble.to_bytes()])
        [answer] = prediction.answers
        response.headers["X-Prediction-Id"] = prediction.id
        return Weighed(stone=answer.label, probabilities=dict(answer.probabilities))

    return Routes(
        router,
        golden_requests=(
            GoldenRequest("/weigh", build_request=_build_request, read_answers=_read_answers),
        ),
    )


def _build_request(payload: bytes) -> dict[str, Any]:
    return {"content": payload, "headers": {"content-type": "application/json"}}


def _read_answers(body: Any) -> Sequence[ShownAnswer]:
    return [(TARGET, body["stone"], body["probabilities"])]
