"""The HTTP routes of the pebble recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from tidemill.recipes.routes import GoldenRequest, PredictionServer, Routes, ShownAnswer
from tidemill.recipes.shared.health import HEALTH_SUMMARY, Health, check_health
from tidemill.testing.tiny_recipe.codec import Pebble
from tidemill.testing.tiny_recipe.pebbles import TARGET


class StoneResponse(BaseModel):
    """The predicted stone, and the probability of every stone."""

    stone: str
    probabilities: dict[str, float]


def build(server: PredictionServer) -> Routes:
    """Return `GET /health` and `POST /weigh`."""
    router = APIRouter()

    @router.get("/health", summary=HEALTH_SUMMARY)
    async def health() -> Health:
        return check_health(server)

    @router.post("/weigh", summary="Predict the stone of one pebble.")
    async def weigh(request: Request, response: Response, pebble: Pebble) -> StoneResponse:
        [prediction] = await server.predict(request, [pebble.to_bytes()])
        [answer] = prediction.answers
        response.headers["X-Prediction-Id"] = prediction.id
        return StoneResponse(stone=answer.label, probabilities=dict(answer.probabilities))

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
