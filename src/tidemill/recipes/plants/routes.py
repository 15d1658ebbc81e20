"""The HTTP routes of the original plants system, for its clients and load tests."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Query, Request, Response, UploadFile
from fastapi.responses import HTMLResponse
from PIL import Image
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from tidemill.bundle import Golden
from tidemill.codecs.pixels import Pixels
from tidemill.domain.errors import NotFound
from tidemill.domain.types import Prediction, payload_id
from tidemill.recipes.routes import (
    GoldenRequest,
    Routes,
    Server,
    ShownAnswer,
    TopLabels,
    prediction_headers,
)

TARGETS = ("class", "disease", "plant")
TargetName = Literal["class", "disease", "plant"]
TOP_COUNT = 5
NAME_DIGITS = 16
PAGE_PATH = Path(__file__).with_name("page.html")
CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
CONTENT_POLICY += "img-src 'self' blob:; connect-src 'self'"
"""The page may load nothing from other machines."""


class LabelProbability(BaseModel):
    label: str
    probability: float


class LeafResponse(BaseModel):
    """Per target, the likeliest labels; the first is the prediction."""

    targets: dict[str, list[LabelProbability]]


class RandomLeafResponse(BaseModel):
    """One validation leaf, its true label, and the model's prediction.

    `metrics` are the model's test scores on this target; empty where it had no test.
    """

    sample: str
    true_label: str
    top_predictions: list[LabelProbability]
    metrics: dict[str, float]
    image_url: str
    target: str


class RefreshResponse(BaseModel):
    status: Literal["success"] = "success"
    message: str


def top_labels(prediction: Prediction) -> dict[str, list[LabelProbability]]:
    """Return the likeliest labels per target."""
    return {
        answer.target: [
            LabelProbability(label=label, probability=probability)
            for label, probability in sorted(
                answer.probabilities.items(), key=lambda row: (row[0] != answer.label, -row[1])
            )[:TOP_COUNT]
        ]
        for answer in prediction.answers
    }


def random_leaf_response(
    name: str, true: str, prediction: Prediction, target: str, metrics: Mapping[str, float]
) -> RandomLeafResponse:
    """Return the response about one sample and one target."""
    return RandomLeafResponse(
        sample=name,
        true_label=true,
        top_predictions=top_labels(prediction)[target],
        metrics=dict(metrics),
        image_url=f"/demo/{name}",
        target=target,
    )


def build(server: Server) -> Routes:
    """Return the five routes of the original system.

    `GET /`, `POST /predict`, `POST /predict-random`, `GET /demo/{filename}` and `POST /refresh`,
    for three targets named `class`, `disease` and `plant`.
    """
    router = APIRouter()
    page = PAGE_PATH.read_text(encoding="utf-8")

    @router.get("/", summary="Show a page to try the model.", response_class=HTMLResponse)
    async def root() -> HTMLResponse:
        return HTMLResponse(page, headers={"Content-Security-Policy": CONTENT_POLICY})

    @router.post("/predict", summary="Predict plant and disease on one image.")
    async def predict(
        request: Request,
        response: Response,
        file: Annotated[UploadFile, File(description="The image.")],
    ) -> LeafResponse:
        [prediction] = await server.predict(request, [await file.read()])
        response.headers.update(prediction_headers(prediction))
        return LeafResponse(targets=top_labels(prediction))

    @router.post(
        "/predict-random",
        summary="Predict plant and disease on a leaf of the validation data.",
        responses={404: {"description": "There is no leaf of this name."}},
    )
    async def predict_random(
        request: Request,
        response: Response,
        target: TargetName = "class",
        sample: Annotated[
            str | None, Query(description="The name of a leaf; a random one by default.")
        ] = None,
    ) -> RandomLeafResponse:
        samples = server.golden_samples(request)
        name = sample or leaf_name(random.choice(samples).payload)
        leaf = _find_leaf(samples, name)
        [prediction] = await server.predict(request, [leaf.payload])
        metrics = await run_in_threadpool(server.test_scores, request)
        response.headers.update(prediction_headers(prediction))
        return random_leaf_response(
            name, leaf.labels[target], prediction, target, metrics.get(target, {})
        )

    @router.get("/demo/{filename}", summary="Show the image of such a leaf.")
    async def demo(request: Request, filename: str) -> Response:
        leaf = _find_leaf(server.golden_samples(request), filename)
        [image] = await server.decode(request, [leaf.payload])
        return Response(_encode_png(image.pixels), media_type="image/png")

    @router.post("/refresh", summary="Read the ledger now and serve its champion.")
    def refresh(request: Request) -> RefreshResponse:
        return RefreshResponse(message=f"{server.refresh(request)} is served.")

    golden_requests = (
        GoldenRequest("/predict", _build_request, _read_answers),
        *map(_random_golden_request, TARGETS),
    )
    return Routes(router, golden_requests=golden_requests, silent_paths=("/refresh",))


def _build_request(payload: bytes) -> dict[str, Any]:
    return {"files": {"file": ("leaf", payload)}}


def _read_answers(body: Any) -> Sequence[ShownAnswer]:
    return [_shown_answer(target, guesses) for target, guesses in body["targets"].items()]


def _random_golden_request(target: str) -> GoldenRequest:
    return GoldenRequest(
        "/predict-random",
        lambda payload: {"params": {"sample": leaf_name(payload), "target": target}},
        partial(_read_random, target),
        targets=(target,),
    )


def _read_random(target: str, body: Mapping[str, Any]) -> Sequence[ShownAnswer]:
    label = body["top_predictions"][0]["label"]
    if body["target"] != target or body["true_label"] != label:
        raise ValueError(
            f"the true label of the sample is {body['true_label']!r} of {body['target']}"
        )
    if body["image_url"] != f"/demo/{body['sample']}":
        raise ValueError(f"{body['image_url']} is the image of another sample")
    return [_shown_answer(target, body["top_predictions"])]


def _shown_answer(target: str, guesses: Sequence[Mapping[str, Any]]) -> ShownAnswer:
    shown = tuple((guess["label"], guess["probability"]) for guess in guesses)
    return target, shown[0][0], TopLabels(shown, TOP_COUNT)


def leaf_name(payload: bytes) -> str:
    """Return the file name of a leaf, which is the same on every server."""
    return f"{payload_id(payload)[:NAME_DIGITS]}.png"


def _find_leaf(samples: Sequence[Golden], name: str) -> Golden:
    """Return the sample with that name. Raises NotFound."""
    for sample in samples:
        if leaf_name(sample.payload) == name:
            return sample
    raise NotFound(
        f"The served model has no sample {name!r}.",
        hint="POST /predict-random names one; a new champion has other samples.",
    )


def _encode_png(pixels: Pixels) -> bytes:
    """Return the model's view of an image as a PNG file."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
