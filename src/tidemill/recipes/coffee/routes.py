"""The HTTP routes of the original coffee system, for its clients and load tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, File, Request, Response, UploadFile
from pydantic import BaseModel

from tidemill import __version__
from tidemill.bundle import TOLERANCE
from tidemill.domain.types import Prediction
from tidemill.recipes.routes import GoldenRequest, PredictionServer, Routes, ShownAnswer
from tidemill.recipes.shared.health import HEALTH_SUMMARY, Health, check_health

TARGET = "disease"


class ServiceInfo(BaseModel):
    name: str
    version: str
    description: str
    model_loaded: bool


class Diagnosis(BaseModel):
    """The disease of the leaf, its confidence, and the probability of every disease."""

    prediction: str
    confidence: float
    probabilities: dict[str, float]
    message: str


def diagnosis(prediction: Prediction) -> Diagnosis:
    """Return the response to one image."""
    answer = next(answer for answer in prediction.answers if answer.target == TARGET)
    return Diagnosis(
        prediction=answer.label,
        confidence=answer.confidence,
        probabilities=dict(answer.probabilities),
        message=f"The leaf looks like {answer.label} ({answer.confidence:.1%}).",
    )


def build(server: PredictionServer) -> Routes:
    """Return `GET /health`, `GET /info` and `POST /predict`, for one target named `disease`."""
    router = APIRouter()

    @router.get("/health", summary=HEALTH_SUMMARY)
    async def health() -> Health:
        return check_health(server)

    @router.get("/info", summary="Describe this service.")
    async def info() -> ServiceInfo:
        return ServiceInfo(
            name="Coffee leaf diseases",
            version=__version__,
            description="Names the disease on a photograph of a coffee leaf.",
            model_loaded=server.ready(),
        )

    @router.post("/predict", summary="Predict the disease on one image.")
    async def predict(
        request: Request,
        response: Response,
        file: Annotated[UploadFile, File(description="The image.")],
    ) -> Diagnosis:
        [prediction] = await server.predict(request, [await file.read()])
        response.headers["X-Prediction-Id"] = prediction.id
        return diagnosis(prediction)

    return Routes(
        router,
        golden_requests=(
            GoldenRequest("/predict", build_request=_build_request, read_answers=_read_answers),
        ),
    )


def _build_request(payload: bytes) -> dict[str, Any]:
    return {"files": {"file": ("leaf", payload)}}


def _read_answers(body: Any) -> Sequence[ShownAnswer]:
    label, confidence = body["prediction"], body["confidence"]
    if not abs(confidence - body["probabilities"][label]) <= TOLERANCE:
        raise ValueError("the confidence is not the probability of the prediction")
    # Written out a second time: the check must not use the text of the code that it checks.
    if body["message"] != f"The leaf looks like {label} ({confidence:.1%}).":
        raise ValueError(f"the message does not name {label!r} and its confidence")
    return [(TARGET, label, body["probabilities"])]
