"""The Open Inference Protocol v2 over HTTP, under `/v2`.

The recipe is the model, and the champion is its version. Every input becomes payloads, which go
through the codec and into the log as those of `/v1/predict` do. So a tensor is taken where it
stands for payloads: bytes, a column of rows, or the pixels of images. Arrays of the network are
not, because what the log held of them could become no example.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response

from tidemill import __version__
from tidemill.domain.errors import NotFound
from tidemill.domain.types import Prediction
from tidemill.predictor import Predictor
from tidemill.recipes.routes import ShownAnswer
from tidemill.web.caller import caller_of
from tidemill.web.golden_check import ManyGoldenRequest
from tidemill.web.inference_bodies import (
    REQUEST_BODY,
    InferenceResponse,
    LiveServer,
    ModelMetadata,
    ReadyModel,
    ReadyServer,
    ServerMetadata,
)
from tidemill.web.inference_payloads import PAYLOAD, estimate_ns, read_inference
from tidemill.web.recipe_server import RecipeServer
from tidemill.web.reply import json_response, write_predictions
from tidemill.web.slots import Slot, Slots
from tidemill.web.tensors import (
    BYTES,
    LENGTH_HEADER,
    InferenceCall,
    Tensor,
    require_outputs,
    write_response,
)

INFER_TEMPLATES = ("/v2/models/{model}/infer", "/v2/models/{model}/versions/{version}/infer")
PARTS = ("label", "confidence")


def infer_path(recipe: str) -> str:
    """Return the path of inference that the golden check asks."""
    return f"/v2/models/{recipe}/infer"


def build_inference_routes(recipe: str, server: RecipeServer, slots: Slots) -> APIRouter:
    """Return the routes of the protocol."""
    router = APIRouter(tags=["open inference"])

    def find_slot(model: str, version: str | None, request: Request | None = None) -> Slot:
        """Return the slot of a model, for a request that is to be answered with it.

        Raises NotFound for another model or version, and NotReady without one.
        """
        if model != recipe:
            raise NotFound(f"There is no model {model!r}.", hint=f"The model is {recipe!r}.")
        state = slots.state
        slot = server.context(request).slot if request else state.require_champion()
        if version not in (None, slot.version.id):
            raise NotFound(
                f"The version {version!r} is not served.", hint=f"It is {slot.version.id!r}."
            )
        return slot

    @router.get("/v2", include_in_schema=False)
    @router.get("/v2/", summary="Which server is this?", response_model=ServerMetadata)
    async def server_metadata() -> Response:
        extensions = ["binary_tensor_data"]
        return json_response({"name": "tidemill", "version": __version__, "extensions": extensions})

    @router.get("/v2/health/live", summary="Is the process alive?", response_model=LiveServer)
    async def live() -> Response:
        return json_response({"live": True})

    @router.get("/v2/health/ready", summary="Is the model ready?", response_model=ReadyServer)
    async def ready() -> Response:
        server.readiness.require()
        return json_response({"ready": True})

    @router.get(
        "/v2/models/{model}/ready", summary="Is this model ready?", response_model=ReadyModel
    )
    @router.get(
        "/v2/models/{model}/versions/{version}/ready",
        summary="Is this version ready?",
        response_model=ReadyModel,
    )
    async def model_ready(model: str, version: str | None = None) -> Response:
        slot = find_slot(model, version)
        server.readiness.require()
        return json_response({"name": recipe, "version": slot.version.id, "ready": True})

    @router.get(
        "/v2/models/{model}", summary="What does the model take?", response_model=ModelMetadata
    )
    @router.get(
        "/v2/models/{model}/versions/{version}",
        summary="What does this version take?",
        response_model=ModelMetadata,
    )
    async def model_metadata(model: str, version: str | None = None) -> Response:
        return json_response(describe_model(recipe, find_slot(model, version)))

    @router.post(
        INFER_TEMPLATES[0],
        summary="Predict.",
        response_model=InferenceResponse,
        openapi_extra=REQUEST_BODY,
    )
    @router.post(
        INFER_TEMPLATES[1],
        summary="Predict with this version.",
        response_model=InferenceResponse,
        openapi_extra=REQUEST_BODY,
    )
    async def infer(request: Request, model: str, version: str | None = None) -> Response:
        # Before the body is read: the access control knows only the path without a version.
        caller_of(request.scope).require("predict")
        slot = find_slot(model, version, request)
        body = await request.body()
        header = request.headers.get(LENGTH_HEADER)
        arguments = (body, header, server.max_payloads)
        cost = estimate_ns(body, header)
        call, payloads = await server.read(request, read_inference, *arguments, cost_ns=cost)
        require_outputs(call, [name for name, _, _ in _outputs(slot.predictor)])
        predictions = await server.predict(request, payloads, checked_as=infer_path(recipe))
        return await write_predictions(predictions, partial(_response, recipe, slot, call))

    return router


def describe_model(recipe: str, slot: Slot) -> dict[str, Any]:
    """Return the metadata of the model in a slot."""
    outputs = [
        {"name": name, "datatype": datatype, "shape": shape}
        for name, datatype, shape in _outputs(slot.predictor)
    ]
    return {
        "name": recipe,
        "versions": [slot.version.id],
        "platform": "onnx_onnxv1",
        "inputs": [{"name": PAYLOAD, "datatype": BYTES, "shape": [-1]}],
        "outputs": outputs,
    }


def golden_request(recipe: str) -> ManyGoldenRequest:
    """Return how the golden check asks the route of inference."""
    return ManyGoldenRequest(infer_path(recipe), _build_request, _read_answers)


def _outputs(predictor: Predictor) -> list[tuple[str, str, list[int]]]:
    rows: list[tuple[str, str, list[int]]] = [("prediction_id", BYTES, [-1])]
    if predictor.many is not None:
        rows += [("input_index", "INT64", [-1]), ("item", BYTES, [-1])]
    for target, classes in predictor.classes.items():
        rows += [
            (f"{target}_label", BYTES, [-1]),
            (f"{target}_confidence", "FP64", [-1]),
            (f"{target}_probabilities", "FP64", [-1, len(classes)]),
        ]
    return [*rows, ("remarks", BYTES, [-1])]


def _response(
    recipe: str, slot: Slot, call: InferenceCall, predictions: Sequence[Prediction]
) -> Response:
    content = {"model_name": recipe, "model_version": slot.version.id}
    if call.id is not None:
        content["id"] = call.id
    body, length = write_response(content, output_tensors(slot.predictor, predictions), call)
    if length is None:
        return Response(body, media_type="application/json")
    headers = {LENGTH_HEADER: str(length)}
    return Response(body, media_type="application/octet-stream", headers=headers)


def output_tensors(predictor: Predictor, predictions: Sequence[Prediction]) -> list[Tensor]:
    """Return the outputs: a row for each payload, or for each item where payloads have many."""
    targets = list(predictor.classes)
    rows = [
        (index, prediction, prediction.answers[start : start + len(targets)])
        for index, prediction in enumerate(predictions)
        for start in range(0, len(prediction.answers), len(targets))
    ]
    n = len(rows)
    columns: dict[str, Any] = {
        "prediction_id": [prediction.id.encode() for _, prediction, _ in rows],
        "input_index": [index for index, _, _ in rows],
        "item": [answers[0].item.encode() for _, _, answers in rows],
        "remarks": [" ".join(prediction.remarks).encode() for _, prediction, _ in rows],
    }
    parameters: dict[str, Mapping[str, Any]] = {}
    for at, target in enumerate(targets):
        classes = predictor.classes[target]
        answers = [row[2][at] for row in rows]
        columns[f"{target}_label"] = [answer.label.encode() for answer in answers]
        columns[f"{target}_confidence"] = [answer.confidence for answer in answers]
        probabilities = [[answer.probabilities[name] for name in classes] for answer in answers]
        columns[f"{target}_probabilities"] = np.array(probabilities).reshape(n, len(classes))
        parameters[f"{target}_probabilities"] = {"classes": list(classes)}
    return [
        Tensor(name, datatype, (n, *shape[1:]), columns[name], parameters.get(name, {}))
        for name, datatype, shape in _outputs(predictor)
    ]


def _build_request(payloads: Sequence[bytes]) -> Mapping[str, Any]:
    """Send golden payloads in binary, which holds any payload."""
    chunk = b"".join(len(payload).to_bytes(4, "little") + payload for payload in payloads)
    tensor = {
        "name": PAYLOAD,
        "datatype": BYTES,
        "shape": [len(payloads)],
        "parameters": {"binary_data_size": len(chunk)},
    }
    head = json_response({"inputs": [tensor]}).body
    return {"content": bytes(head) + chunk, "headers": {LENGTH_HEADER: str(len(head))}}


def _read_answers(body: Any) -> list[list[ShownAnswer]]:
    """Return the answers to each payload; a golden payload has one item."""
    outputs = {row["name"]: row for row in body["outputs"]}
    answers: list[list[ShownAnswer]] = [[] for _ in outputs["prediction_id"]["data"]]
    for name, row in outputs.items():
        if not name.endswith("_probabilities"):
            continue
        target, classes = name.removesuffix("_probabilities"), row["parameters"]["classes"]
        labels, confidences = (outputs[f"{target}_{part}"]["data"] for part in PARTS)
        shares = [
            row["data"][at : at + len(classes)] for at in range(0, len(row["data"]), len(classes))
        ]
        for own, label, confidence, values in zip(
            answers, labels, confidences, shares, strict=True
        ):
            probabilities = dict(zip(classes, values, strict=True))
            if probabilities[label] != confidence:
                raise ValueError(f"the confidence of {label!r} is not its probability")
            own.append((target, label, probabilities))
    return answers
