"""The plants system's own HTTP routes, for the clients and load tests that it has."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Query, Request, Response, UploadFile
from fastapi.responses import HTMLResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from tidemill.domain.types import Prediction
from tidemill.recipes.plants.shown_leaves import as_png, name_of, sample_of
from tidemill.recipes.routes import (
    GoldenRequest,
    Routes,
    Server,
    ShownAnswer,
    TopLabels,
    prediction_headers,
)

TARGETS = ("class", "disease", "plant")
Target = Literal["class", "disease", "plant"]
TOP = 5
PAGE = Path(__file__).with_name("page.html")
OWN_ONLY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
OWN_ONLY += "img-src 'self' blob:; connect-src 'self'"
"""The page may load nothing from anywhere else, whatever is in it."""


class Guess(BaseModel):
    label: str
    probability: float


class Leaf(BaseModel):
    """Per target, the likeliest labels, the first being the answer."""

    targets: dict[str, list[Guess]]


class RandomLeaf(BaseModel):
    """One validation leaf, what it is, and what the model takes it for.

    `metrics` are the model's test scores on this target; empty where it had no test.
    """

    sample: str
    true_label: str
    top_predictions: list[Guess]
    metrics: dict[str, float]
    image_url: str
    target: str


class Refreshed(BaseModel):
    status: Literal["success"] = "success"
    message: str


def best(prediction: Prediction) -> dict[str, list[Guess]]:
    """The likeliest labels per target, by their names."""
    return {
        answer.target: [
            Guess(label=label, probability=probability)
            for label, probability in sorted(
                answer.probabilities.items(), key=lambda row: (row[0] != answer.label, -row[1])
            )[:TOP]
        ]
        for answer in prediction.answers
    }


def told(
    name: str, true: str, prediction: Prediction, target: str, metrics: Mapping[str, float]
) -> RandomLeaf:
    """The response about one sample and one target."""
    return RandomLeaf(
        sample=name,
        true_label=true,
        top_predictions=best(prediction)[target],
        metrics=dict(metrics),
        image_url=f"/demo/{name}",
        target=target,
    )


def build(server: Server) -> Routes:
    """`GET /`, `POST /predict`, `POST /predict-random`, `GET /demo/{filename}`, `POST /refresh`.

    Over three targets named `class`, `disease` and `plant`.
    """
    router = APIRouter()
    page = PAGE.read_text(encoding="utf-8")

    @router.get("/", summary="A page to try it on.", response_class=HTMLResponse)
    async def root() -> HTMLResponse:
        return HTMLResponse(page, headers={"Content-Security-Policy": OWN_ONLY})

    @router.post("/predict", summary="Name plant and disease on one image.")
    async def predict(
        request: Request,
        response: Response,
        file: Annotated[UploadFile, File(description="The image.")],
    ) -> Leaf:
        [prediction] = await server.predict(request, [await file.read()])
        response.headers.update(prediction_headers(prediction))
        return Leaf(targets=best(prediction))

    @router.post("/predict-random", summary="Name what is on a leaf of the validation data.")
    async def predict_random(
        request: Request,
        response: Response,
        target: Target = "class",
        sample: Annotated[str | None, Query(description="Which one; any, if not given.")] = None,
    ) -> RandomLeaf:
        samples = server.golden_samples(request)
        name = sample or name_of(random.choice(samples).payload)
        leaf = sample_of(samples, name)
        [prediction] = await server.predict(request, [leaf.payload])
        metrics = await run_in_threadpool(server.test_scores, request)
        response.headers.update(prediction_headers(prediction))
        return told(name, leaf.labels[target], prediction, target, metrics.get(target, {}))

    @router.get("/demo/{filename}", summary="The image of one such leaf.")
    def demo(request: Request, filename: str) -> Response:
        leaf = sample_of(server.golden_samples(request), filename)
        image = server.codec(request).decode(leaf.payload)
        return Response(as_png(image.pixels), media_type="image/png")

    @router.post("/refresh", summary="Serve the ledger's champion now, not at the next poll.")
    def refresh(request: Request) -> Refreshed:
        return Refreshed(message=f"{server.refresh(request)} is served.")

    probes = (
        GoldenRequest("/predict", _build_request, _read_answers),
        *map(_random_probe, TARGETS),
    )
    return Routes(router, golden_requests=probes, silent_paths=("/refresh",))


def _build_request(payload: bytes) -> dict[str, Any]:
    return {"files": {"file": ("leaf", payload)}}


def _read_answers(body: Any) -> Sequence[ShownAnswer]:
    return [_said(target, guesses) for target, guesses in body["targets"].items()]


def _random_probe(target: str) -> GoldenRequest:
    return GoldenRequest(
        "/predict-random",
        lambda payload: {"params": {"sample": name_of(payload), "target": target}},
        partial(_read_random, target),
        targets=(target,),
    )


def _read_random(target: str, body: Mapping[str, Any]) -> Sequence[ShownAnswer]:
    label = body["top_predictions"][0]["label"]
    if body["target"] != target or body["true_label"] != label:
        raise ValueError(f"the sample is said to be {body['true_label']!r} of {body['target']}")
    if body["image_url"] != f"/demo/{body['sample']}":
        raise ValueError(f"{body['image_url']} is the image of another sample")
    return [_said(target, body["top_predictions"])]


def _said(target: str, guesses: Sequence[Mapping[str, Any]]) -> ShownAnswer:
    shown = tuple((guess["label"], guess["probability"]) for guess in guesses)
    return target, shown[0][0], TopLabels(shown, TOP)
