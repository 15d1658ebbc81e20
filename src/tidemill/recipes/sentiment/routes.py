"""The sentiment system's own HTTP routes, for the clients and load tests that it has."""

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
from tidemill.recipes.sentiment import report

TARGET = "sentiment"


class Message(BaseModel):
    message: str


class Sentiment(BaseModel):
    """What the text expresses, and how sure that is."""

    label: str
    score: float


class Numbers:
    """The original's numbers, under its names."""

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
    def counting(self, text: str) -> Iterator[None]:
        """Count one request, and what becomes of it."""
        self.requests.inc()
        self.lengths.observe(len(text))
        with self.errors.count_exceptions(), self.seconds.time():
            yield


def sentiment(prediction: Prediction) -> Sentiment:
    """The response to one text."""
    answer = next(answer for answer in prediction.answers if answer.target == TARGET)
    return Sentiment(label=answer.label, score=answer.confidence)


def build(server: Server) -> Routes:
    """`GET /` and `POST /predict`, over one target named `sentiment`, and the drift service's.

    The original's two services are one here: `/health`, `/stats`, `/report` and `/report/json`
    are added by `report.py`.
    """
    router = APIRouter()
    numbers = Numbers()

    @router.get("/", summary="What this service is.")
    async def root() -> Message:
        return Message(message="The sentiment of financial texts: send one to POST /predict.")

    @router.post("/predict", summary="Name the sentiment of one text.")
    async def predict(request: Request, response: Response, review: TextPayload) -> Sentiment:
        own = server.is_golden_request(request)
        with nullcontext() if own else numbers.counting(review.text):
            [prediction] = await server.predict(request, [review.to_bytes()])
        response.headers.update(prediction_headers(prediction))
        return sentiment(prediction)

    report.add(router, server, TARGET)
    return Routes(
        router,
        golden_requests=(
            GoldenRequest(
                "/predict", lambda payload: {"json": {"text": payload.decode()}}, _read_answers
            ),
        ),
        collectors=(numbers.requests, numbers.errors, numbers.seconds, numbers.lengths),
    )


def _read_answers(body: Any) -> Sequence[ShownAnswer]:
    return [(TARGET, body["label"], body["score"])]
