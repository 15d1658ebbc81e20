"""The HTTP routes of the original sentiment system, for its clients and load tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import Counter, Histogram, Summary
from pydantic import BaseModel

from tidemill.codecs.text import TextPayload
from tidemill.domain.types import Prediction
from tidemill.recipes.routes import GoldenRequest, Routes, Server, ShownAnswer, prediction_headers
from tidemill.recipes.sentiment.report import add_drift_routes

TARGET = "sentiment"


class Greeting(BaseModel):
    message: str


class SentimentResponse(BaseModel):
    """The sentiment of the text, and its confidence."""

    label: str
    score: float


class PredictMetrics:
    """The metrics of the original system, under its names."""

    def __init__(self) -> None:
        self.requests = Counter(
            "prediction_requests", "Texts that clients sent to /predict.", registry=None
        )
        self.errors = Counter(
            "prediction_error", "Texts sent to /predict that got no answer.", registry=None
        )
        self.seconds = Histogram(
            "prediction_latency_seconds", "Time from a text to its answer.", registry=None
        )
        self.lengths = Summary(
            "review_length_summary", "Characters of the texts sent to /predict.", registry=None
        )

    @contextmanager
    def measure(self, text: str) -> Iterator[None]:
        """Count one request, its length, its time and its failure."""
        self.requests.inc()
        self.lengths.observe(len(text))
        with self.errors.count_exceptions(), self.seconds.time():
            yield


def sentiment_response(prediction: Prediction) -> SentimentResponse:
    """Return the response to one text."""
    answer = next(answer for answer in prediction.answers if answer.target == TARGET)
    return SentimentResponse(label=answer.label, score=answer.confidence)


def build(server: Server) -> Routes:
    """Return `GET /`, `POST /predict` and the drift routes, for one target named `sentiment`.

    The original system has two services; here they are one. `report.py` adds `/health`, `/stats`,
    `/report` and `/report/json`.
    """
    router = APIRouter()
    metrics = PredictMetrics()

    @router.get("/", summary="Describe this service.")
    async def root() -> Greeting:
        return Greeting(message="The sentiment of financial texts: send one to POST /predict.")

    @router.post("/predict", summary="Predict the sentiment of one text.")
    async def predict(
        request: Request, response: Response, review: TextPayload
    ) -> SentimentResponse:
        golden = server.is_golden_request(request)
        with nullcontext() if golden else metrics.measure(review.text):
            [prediction] = await server.predict(request, [review.to_bytes()])
        response.headers.update(prediction_headers(prediction))
        return sentiment_response(prediction)

    add_drift_routes(router, server, TARGET)
    return Routes(
        router,
        golden_requests=(
            GoldenRequest(
                "/predict", lambda payload: {"json": {"text": payload.decode()}}, _read_answers
            ),
        ),
        collectors=(metrics.requests, metrics.errors, metrics.seconds, metrics.lengths),
    )


def _read_answers(body: Any) -> Sequence[ShownAnswer]:
    return [(TARGET, body["label"], body["score"])]
