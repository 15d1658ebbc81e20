"""POST /v1/explain: an image per prediction, one at a time, outside the traffic log."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from PIL import Image

from tests.web import tiny_text
from tests.web.test_batch_lane import HangingRuntime
from tidemill import Client
from tidemill.adapters.onnx import OnnxRuntime
from tidemill.domain.errors import Overloaded, TimedOut, Unavailable, UsageError
from tidemill.domain.types import ModelVersion
from tidemill.loop.prediction_log import LoadedVersion
from tidemill.occlusion import BATCH, map_occlusion
from tidemill.predictor import Predictor
from tidemill.recipes.routes import Routes
from tidemill.web import explain
from tidemill.web.explain import EXPLAIN_PATH, Explainer

VERSION = ModelVersion("v1", "bundle", "run", "snapshot", "leaves", None, datetime.now(UTC))


def explanation_of(response: Any) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/png"
    with Image.open(BytesIO(response.content)) as start_app:
        start_app.load()
    body: dict[str, Any] = json.loads(response.headers["x-explanation"])
    return body


def code(response: Any, status: int) -> str:
    assert response.status_code == status, response.text
    answer: str = response.json()["error"]["code"]
    return answer


def test_an_explanation_names_its_subject(client: Any, red: bytes) -> None:
    prediction = client.request("POST", "/v1/predict", files={"file": ("a.png", red)}).json()
    results = explanation_of(client.request("POST", EXPLAIN_PATH, files={"file": ("a.png", red)}))
    assert (results["version"], results["target"], results["label"]) == ("v1", "disease", "Miner")
    assert results["probability"] == pytest.approx(prediction["predictions"][0]["confidence"])


def test_a_request_may_name_target_and_label(client: Any, red: bytes) -> None:
    request_params = {"target": "disease", "label": "Phoma"}
    results = explanation_of(
        client.request("POST", EXPLAIN_PATH, params=request_params, files={"file": ("a.png", red)})
    )
    assert results["label"] == "Phoma"
    assert results["probability"] < 0.1


def test_a_program_gets_the_drops_as_well(client: Any, red: bytes) -> None:
    files = {"file": ("a.png", red)}
    headers = {"Accept": "application/json"}
    body = client.request("POST", EXPLAIN_PATH, files=files, headers=headers).json()
    assert (body["version"], body["label"]) == ("v1", "Miner")
    assert len(body["drops"]) >= 1
    assert base64.b64decode(body["image"]).startswith(b"\x89PNG")


class AppTransport(httpx.BaseTransport):
    """Carries the requests of a synchronous client to the app of a test."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        headers, content = dict(request.headers), request.read()
        response = self._app.request(request.method, path, headers=headers, content=content)
        return httpx.Response(response.status_code, content=response.content)


def test_a_client_gets_the_explanation(client: Any, red: bytes) -> None:
    with Client("http://localhost", transport=AppTransport(client)) as remote:
        explanation = remote.explain(red, label="Phoma")
        with pytest.raises(UsageError, match="no label 'rot'"):
            remote.explain(red, label="rot")
    slot = client.slots.state.champion
    occlusion = map_occlusion(slot.predictor, red, label="Phoma")
    assert explanation == occlusion.explanation("v1")
    assert explanation._repr_png_().startswith(b"\x89PNG")


def test_it_is_no_traffic(client: Any, workspace: Any, red: bytes) -> None:
    def live() -> int:
        rows = [
            row
            for server in workspace.traffic.servers()
            for row in workspace.traffic.after(server, 0, limit=10_000)
        ]
        return sum(row.kind == "live" for row in rows)

    explanation_of(client.request("POST", EXPLAIN_PATH, files={"file": ("a.png", red)}))
    assert live() == 0
    client.request("POST", "/v1/predict", files={"file": ("a.png", red)})
    assert live() == 1


@pytest.mark.parametrize(
    ("request_", "status", "expected"),
    [
        ({"params": {"target": "colour"}}, 400, "usage"),
        ({"params": {"label": "rot"}}, 400, "usage"),
        ({"files": {"file": ("a.png", b"no image")}}, 400, "bad_payload"),
        ({"files": {"other": ("a.png", b"no image")}}, 422, "invalid"),
    ],
)
def test_a_payload_without_explanation_is_a_client_error(
    client: Any, red: bytes, request_: Mapping[str, Any], status: int, expected: str
) -> None:
    request_params = {"files": {"file": ("a.png", red)}, **request_}
    assert code(client.request("POST", EXPLAIN_PATH, **request_params), status) == expected
    explanation_of(client.request("POST", EXPLAIN_PATH, files={"file": ("a.png", red)}))


def test_a_server_without_a_model_is_not_ready(workspace: Any, start_app: Any, red: bytes) -> None:
    client = start_app(workspace.parts())
    assert (
        code(client.request("POST", EXPLAIN_PATH, files={"file": ("a.png", red)}), 503)
        == "not_ready"
    )


class Held:
    """A runtime that blocks at the first batch of covered images until its release."""

    alone = False

    def __init__(self, inner: Any, reached: threading.Event, go: threading.Event) -> None:
        self._inner, self._reached, self._go = inner, reached, go

    def terminate(self) -> None:
        """Its runs are short."""

    def run(self, arrays: Any) -> dict[str, Any]:
        if len(arrays["image"]) == BATCH:
            self._reached.set()
            assert self._go.wait(20)
        outputs: dict[str, Any] = self._inner.run(arrays)
        return outputs


@pytest.fixture
def blocked_app(
    workspace: Any, start_app: Any
) -> Iterator[tuple[Any, threading.Event, threading.Event]]:
    """The app, an event for a running explanation, and an event that releases it."""
    reached, go = threading.Event(), threading.Event()
    workspace.wrap = lambda runtime: Held(runtime, reached, go)
    workspace.promote(workspace.register())
    client = start_app(workspace.parts(batch=4))
    try:
        yield client, reached, go
    finally:
        go.set()


def test_one_at_a_time_while_predictions_are_answered(blocked_app: Any, red: bytes) -> None:
    client, reached, go = blocked_app
    files = {"file": ("a.png", red)}
    first = client.send("POST", EXPLAIN_PATH, files=files)
    assert reached.wait(20)
    refused = client.request("POST", EXPLAIN_PATH, files=files)
    assert code(refused, 503) == "overloaded"
    assert "Retry-After" in refused.headers
    assert client.request("POST", "/v1/predict", files=files).status_code == 200
    go.set()
    explanation_of(first.result(timeout=20))
    explanation_of(client.request("POST", EXPLAIN_PATH, files=files))


def test_a_client_that_leaves_does_not_keep_the_others_out(
    tiny: Callable[..., Predictor], red: bytes
) -> None:
    reached, go = threading.Event(), threading.Event()
    bundle = tiny().bundle
    predictor = Predictor(bundle, Held(OnnxRuntime(bundle.model), reached, go))
    slot = LoadedVersion(VERSION, predictor)
    explainer = Explainer()

    async def leave() -> None:
        task = asyncio.create_task(explainer.explain(slot, predictor.decode(red), None, None))
        assert await asyncio.to_thread(reached.wait, 20)
        with pytest.raises(Overloaded):
            await explainer.explain(slot, predictor.decode(red), None, None)
        task.cancel()
        go.set()
        await asyncio.to_thread(explainer.close)
        for _ in range(2):  # not that another is being explained
            with pytest.raises(Unavailable, match="stopping"):
                await explainer.explain(slot, predictor.decode(red), None, None)

    asyncio.run(leave())


def test_one_that_hangs_is_ended(
    tiny: Callable[..., Predictor], red: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tiny().bundle
    runtime = HangingRuntime(OnnxRuntime(bundle.model))
    predictor = Predictor(bundle, runtime)
    explainer = Explainer()

    async def hang() -> None:
        slot = LoadedVersion(VERSION, predictor)
        task = asyncio.create_task(explainer.explain(slot, predictor.decode(red), None, None))
        assert await asyncio.to_thread(runtime.entered.wait, 20)
        explainer.look_after()
        assert not runtime.ended.is_set()
        monkeypatch.setattr(explain, "MAX_EXPLAIN_S", 0.0)
        explainer.look_after()
        with pytest.raises(TimedOut):
            await task

    asyncio.run(hang())
    explainer.look_after()
    explainer.close()


def test_texts_are_not_explained(workspace: Any, start_app: Any) -> None:
    workspace.recipe = "text"
    workspace.promote(workspace.enter(*tiny_text.files("tone", ("bad", "fair", "good"))))
    client = start_app(workspace.parts(), lambda _: Routes(APIRouter()))
    refused = client.request("POST", EXPLAIN_PATH, files={"file": ("a.txt", b"alpha")})
    assert code(refused, 400) == "usage"
    assert "takes text" in refused.json()["error"]["message"]


def test_the_document_says_that_a_image_comes(client: Any) -> None:
    document = client.request("GET", "/openapi.json").json()
    assert "image/png" in document["paths"][EXPLAIN_PATH]["post"]["responses"]["200"]["content"]


@pytest.mark.skipif(sys.platform != "linux", reason="a thread has no priority of its own here")
def test_it_steps_back_from_those_that_answer(tiny: Callable[..., Predictor], red: bytes) -> None:
    results: list[int] = []

    class PriorityRuntime(OnnxRuntime):
        def run(self, arrays: Any) -> dict[str, Any]:
            results.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
            return super().run(arrays)

    bundle = tiny().bundle
    explainer = Explainer()
    predictor = Predictor(bundle, PriorityRuntime(bundle.model))
    slot = LoadedVersion(VERSION, predictor)
    asyncio.run(explainer.explain(slot, predictor.decode(red), None, None))
    explainer.close()
    assert min(results) > os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
