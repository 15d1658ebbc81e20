"""The coffee system's routes alone. tests/web checks them with a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from tidemill import __version__
from tidemill.adapters.memory import FixedClock
from tidemill.domain.errors import BadPayload, TidemillError, Unavailable
from tidemill.domain.types import Answer, Prediction
from tidemill.recipes.coffee.routes import build
from tidemill.recipes.routes import PredictionServer
from tidemill.web import errors

pytestmark = pytest.mark.anyio
ROW = {"Healthy": 0.1, "Miner": 0.7, "Phoma": 0.2}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Canned:
    """Returns the same answer for everything, or fails."""

    def __init__(self, error: TidemillError | None = None) -> None:
        self.error = error
        self.payloads: list[bytes] = []

    async def predict(self, request: Request, payloads: Sequence[bytes]) -> list[Prediction]:
        if self.error:
            raise self.error
        self.payloads += payloads
        now = FixedClock().now()
        answers = (Answer("disease", "Miner", 0.7, ROW),)
        return [
            Prediction("id-1", "s", 1, "v1", now, "live", payload, answers) for payload in payloads
        ]

    def ready(self) -> bool:
        return self.error is None


async def ask(server: PredictionServer, method: str, path: str, **request: Any) -> httpx.Response:
    app = FastAPI()
    app.include_router(build(server).router)
    errors.install_handlers(app)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, path, **request)


async def test_predict() -> None:
    server = Canned()
    response = await ask(server, "POST", "/predict", files={"file": ("a.jpg", b"leaf")})
    assert response.status_code == 200
    assert response.headers["X-Prediction-Id"] == "id-1"
    assert response.json() == {
        "prediction": "Miner",
        "confidence": 0.7,
        "probabilities": ROW,
        "message": "The leaf looks like Miner (70.0%).",
    }
    assert server.payloads == [b"leaf"]


@pytest.mark.parametrize(
    ("error", "status"),
    [(BadPayload("That is no image."), 400), (Unavailable("Not ready."), 503)],
)
async def test_predict_that_fails(error: TidemillError, status: int) -> None:
    response = await ask(Canned(error), "POST", "/predict", files={"file": ("a.jpg", b"x")})
    assert response.status_code == status
    assert response.json()["error"]["code"] == error.code


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({}, 422, "invalid"),
        ({"files": {"other": ("a", b"")}}, 422, "invalid"),
        ({"data": {"file": "x"}}, 415, "unsupported_media_type"),
    ],
)
async def test_predict_without_a_file(request_: dict[str, Any], status: int, code: str) -> None:
    response = await ask(Canned(), "POST", "/predict", **request_)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


async def test_health_needs_a_checked_model() -> None:
    assert (await ask(Canned(), "GET", "/health")).json() == {"status": "healthy"}
    response = await ask(Canned(Unavailable("x")), "GET", "/health")
    assert (response.status_code, response.json()["error"]["code"]) == (503, "unavailable")


async def test_info() -> None:
    body = (await ask(Canned(), "GET", "/info")).json()
    assert set(body) == {"name", "version", "description", "model_loaded"}
    assert (body["version"], body["model_loaded"]) == (__version__, True)
    assert (await ask(Canned(Unavailable("x")), "GET", "/info")).json()["model_loaded"] is False
