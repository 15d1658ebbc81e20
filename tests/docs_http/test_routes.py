"""The documented routes and responses are those of the server."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from uuid_utils import uuid7

from tidemill.adapters.memory import FixedClock, MemoryBlobs, MemoryTraffic
from tidemill.adapters.memory_ledger import MemoryLedger
from tidemill.adapters.onnx import OnnxRuntime
from tidemill.bundle import BundleStore
from tidemill.domain.api_key import ApiKey, KeyScope, digest_of
from tidemill.domain.cycle import Cycle
from tidemill.domain.drift import DriftVerdict, FeatureDrift
from tidemill.domain.events import (
    AliasMoved,
    CycleOpened,
    DriftChecked,
    KeyCreated,
    RunFinished,
    SnapshotTaken,
    VerdictRecorded,
    VersionRegistered,
)
from tidemill.domain.types import Alias, Check, ModelVersion, Run, Snapshot, Verdict
from tidemill.predictor import Predictor
from tidemill.recipes.coffee.routes import build as coffee
from tidemill.serving import ServerParts
from tidemill.settings import read_settings
from tidemill.web.app import create_app

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]
PAGES = (
    ROOT / "docs" / "serving.md",
    ROOT / "docs" / "feedback.md",
    ROOT / "docs" / "open-inference.md",
    ROOT / "src/tidemill/recipes/coffee/README.md",
)
ROUTE = re.compile(r"^### `([A-Z]+) (/\S*)`$(.*?)(?=^##|\Z)", re.M | re.S)
ANSWER = re.compile(r"^```json\n(.*?)^```$", re.M | re.S)
OPEN = {"probabilities", "classes", "code", "config", "detail", "environment", "metrics", "policy"}
"""Objects whose keys belong to the model, the run or the kind of event."""
ID = "s" * 64
SECRET = "tidemill_for_the_test"
HEADERS = {"Authorization": f"Bearer {SECRET}"}


@pytest.fixture
def home(tmp_path: Path, tiny_files: Callable[..., dict[str, bytes]]) -> ServerParts:
    """A workspace whose champion is the tiny model."""
    clock = FixedClock()
    ledger = MemoryLedger(clock)
    bundles = BundleStore(tmp_path / "bundles")
    bundle, now = bundles.write("coffee", tiny_files()), clock.now()
    code, check = {"revision": "abc"}, Check("floor", True, "good", 1.0, "disease")
    snapshot = Snapshot(ID, "coffee", 3, {}, {}, "stop", None, now)
    run = Run(str(uuid7()), "coffee", ID, 0, {"seed": 0}, code, {}, now)
    version = ModelVersion("v1", bundle, run.id, ID, "coffee", None, now)
    verdict = Verdict(str(uuid7()), "v1", None, True, (check,), 1, now)
    moved = AliasMoved(actor="ana", subject="champion", version="v1", before=None, verdict="")
    with ledger.begin() as unit:
        unit.add(snapshot, SnapshotTaken(actor="ana", subject=ID, rows=3))
        unit.add(run, RunFinished(actor="ana", subject=run.id, weights=""))
        registration = VersionRegistered(actor="ana", subject="v1", bundle=bundle, run=run.id)
        unit.add(version, registration)
        decision = VerdictRecorded(actor="ana", subject=verdict.id, version="v1", passed=True)
        unit.add(verdict, decision)
        unit.move_alias(Alias("champion", "v1", verdict.id, now), expected=None, event=moved)
        features = (FeatureDrift("red", 0.4, 0.2, 0.001, True),)
        drift = DriftVerdict("d1", "v1", True, 0, 3, now, now, features, now, 0.2)
        unit.record_drift_verdict(
            drift, DriftChecked(actor="ana", subject="d1", version="v1", drifted=True)
        )
        cycle = Cycle("c1", "coffee", "drift", "red drifted", "v1", now, runs=(run.id,))
        event = CycleOpened(actor="ana", subject="c1", trigger="drift", champion="v1")
        unit.open_cycle(cycle, event)
        scopes: tuple[KeyScope, ...] = ("review", "admin")
        key = ApiKey("k1", "ana", digest_of(SECRET), scopes, now)
        created = KeyCreated(actor="ana", subject="k1", name="ana", scopes="admin", rate=0)
        unit.add(key, created)
        unit.add(replace(version, id="v2"), registration)
        unit.add(replace(verdict, id="d2", version="v2", champion="v1"), decision)

    def load(version: ModelVersion) -> Predictor:
        bundle = bundles.open(version.bundle)
        return Predictor(bundle, OnnxRuntime(bundle.model))

    return ServerParts(
        recipe="coffee",
        server=str(uuid7()),
        settings=read_settings(home=tmp_path, poll_ms=3_600_000),
        ledger=ledger,
        traffic=MemoryTraffic(),
        blobs=MemoryBlobs(),
        clock=clock,
        load=load,
    )


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def client(home: ServerParts) -> AsyncIterator[httpx.AsyncClient]:
    """The ready server."""
    app = create_app(home, coffee)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        await asyncio.to_thread(app.state.slots.refresh)
        yield client


def documented() -> dict[tuple[str, str], str]:
    """Return the text below each route's heading, by method and path, on all pages."""
    return {
        (method, path): text
        for page in PAGES
        for method, path, text in ROUTE.findall(page.read_text(encoding="utf-8"))
    }


def assert_same_form(written: Any, response: Any, where: str) -> None:
    """The documented JSON has the keys and the kinds of values that the server's has."""
    if isinstance(written, dict):
        assert isinstance(response, dict), where
        if where.rpartition(".")[2] not in OPEN:
            assert list(written) == list(response), where
        for key in written.keys() & response.keys():
            assert_same_form(written[key], response[key], f"{where}.{key}")
    elif isinstance(written, list):
        assert isinstance(response, list), where
        if written and response:
            assert_same_form(written[0], response[0], where)
    elif written is not None and response is not None:
        assert type(written) is type(response), f"{where}: {written!r}, {response!r}"


async def test_every_route_is_documented_and_none_that_there_is_not(
    client: httpx.AsyncClient,
) -> None:
    document = (await client.get("/openapi.json")).json()
    routes = {
        (method.upper(), path) for path, row in document["paths"].items() for method in row
    } | {("GET", "/docs"), ("GET", "/openapi.json")}
    assert set(documented()) == routes


async def test_the_answers_have_the_documented_form(
    client: httpx.AsyncClient, paint: Callable[[tuple[int, ...]], bytes]
) -> None:
    payload = paint((250, 20, 20))
    params = {"image": base64.b64encode(payload).decode()}
    answers = (await client.post("/v1/predict", json=params)).json()
    id = answers["predictions"][0]["id"]
    labels = [
        (await client.post("/v1/feedback", json={"prediction": id, "label": label})).json()
        for label in ("miner", "healthy")
    ]
    accepted, rejected = (row["feedback"][0]["id"] for row in labels)
    bodies: dict[str, dict[str, Any]] = {
        "/v1/feedback": {"prediction": id, "label": "phoma"},
        "/v1/feedback/accept": {"ids": [accepted]},
        "/v1/feedback/reject": {"ids": [rejected], "reason": "blurred"},
        "/v1/feedback/import": {},
        "/v1/models/promote": {"version": "v2"},
        "/v1/models/rollback": {},
    }
    statuses = {"/v1/feedback/import": 400}  # there is no database
    compared = 0
    for (method, path), text in documented().items():
        names = {"predictions": id, "models": "v1", "why": "v1", "cycles": "c1"}
        place = path.replace("{id}", next((names[kind] for kind in names if kind in path), ""))
        place = place.replace("{model}", "coffee").replace("{version}", "v1")
        arguments: dict[str, Any] = {"files": {"file": payload}} if method == "POST" else {}
        if place.endswith("/infer"):
            tensor: dict[str, Any] = {"name": "payload", "datatype": "BYTES", "shape": [1]}
            tensor |= {"data": [params["image"]], "parameters": {"content_type": "base64"}}
            arguments = {"json": {"id": "42", "inputs": [tensor]}}
        if method == "POST" and place in bodies:
            arguments = {"json": bodies[place]}
        response = await client.request(method, place, headers=HEADERS, **arguments)
        expected = statuses.get(place, 202 if "predictions/" in path else 200)
        assert response.status_code == expected, (place, response.text)
        for written in ANSWER.findall(text):
            assert_same_form(json.loads(written), response.json(), f"{method} {path}")
            compared += 1
    assert compared == 20


async def test_every_metric_is_documented_with_its_labels(client: httpx.AsyncClient) -> None:
    await client.post("/predict", files={"file": b"no image"})
    text = PAGES[0].read_text(encoding="utf-8").partition("## Metrics")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", text, re.M)
    written = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    results: dict[str, set[str]] = {}
    for family in text_string_to_metric_families((await client.get("/metrics")).text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        for sample in family.samples:
            results.setdefault(name, set()).update(set(sample.labels) - {"le"})
    results = {name: labels for name, labels in results.items() if not name.endswith("_created")}
    assert written == results
