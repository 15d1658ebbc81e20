"""A tiny real model without torch, a workspace in memory, and the app behind a client."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from onnx import TensorProto, helper
from PIL import Image
from uuid_utils import uuid7

from tidemill.adapters.memory import FixedClock, MemoryBlobs, MemoryTraffic
from tidemill.adapters.memory_ledger import MemoryLedger
from tidemill.adapters.onnx import OnnxRuntime
from tidemill.adapters.sql.ledger import SqlLedger
from tidemill.adapters.sql.upgrade import upgrade
from tidemill.bundle import REFERENCE, BundleStore, Golden
from tidemill.domain.events import (
    AliasMoved,
    RunFinished,
    SnapshotTaken,
    VerdictRecorded,
    VersionRegistered,
)
from tidemill.domain.ledger import Ledger
from tidemill.domain.ports import Blobs, Runtime, TrafficLog
from tidemill.domain.types import Alias, ModelVersion, Run, Snapshot, Verdict
from tidemill.predictor import Predictor
from tidemill.recipes.coffee.routes import build as coffee
from tidemill.serving import ServerParts
from tidemill.settings import read_settings
from tidemill.web.app import create_app

SIDE = 8
LABELS = ("Miner", "Healthy", "Phoma")
CODEC = {"width": SIDE, "height": SIDE, "mean": [0, 0, 0], "std": [1, 1, 1]}
SAMPLES = 6
"""Golden samples of the image model; every app sends each of them to every route."""
NO_POLL_MS = 3_600_000
"""Tests refresh the slots themselves."""


def image(colour: Sequence[int]) -> bytes:
    """A PNG of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), tuple(colour)).save(file, "PNG")
    return file.getvalue()


@cache
def model(sharpness: float) -> bytes:
    """Mean colour times `sharpness` are the logits: red is Miner, green Healthy, blue Phoma."""
    weights = np.eye(3, dtype=np.float32) * np.float32(sharpness / 255)
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["pixels", "axes"], ["embedding"], keepdims=0),
            helper.make_node("MatMul", ["embedding", "weights"], ["logits_disease"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", SIDE, SIDE, 3])],
        [
            helper.make_tensor_value_info("logits_disease", TensorProto.FLOAT, ["n", 3]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", 3]),
        ],
        [
            helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2]),
            helper.make_tensor("weights", TensorProto.FLOAT, [3, 3], weights.ravel().tolist()),
        ],
    )
    onnx_model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    content: bytes = onnx_model.SerializeToString()
    return content


@cache
def golden(sharpness: float) -> list[dict[str, Any]]:
    """Samples of three classes; numpy alone computes their probabilities."""
    samples = []
    for n in range(SAMPLES):
        colour = np.full(3, 20.0 + n)
        colour[n % 3] = 200.0 + n
        scores = np.exp(colour * sharpness / 255)
        row = dict(zip(LABELS, (scores / scores.sum()).tolist(), strict=True))
        sample = Golden(
            image(colour.astype(int).tolist()), {"disease": LABELS[n % 3]}, {"disease": row}
        )
        samples.append(sample.to_json())
    return samples


ReferenceFor = Callable[[Mapping[str, bytes], Sequence[bytes]], bytes]


class Workspace:
    """A ledger, a traffic log and bundles, with the few operations that tests need."""

    def __init__(self, root: Path, reference_for: ReferenceFor) -> None:
        self.root = root
        self.reference_for = reference_for
        self.clock = FixedClock()
        self.ledger: Ledger = MemoryLedger(self.clock)
        self.traffic: TrafficLog = MemoryTraffic()
        self.blobs: Blobs = MemoryBlobs()
        self.bundles = BundleStore(root / "bundles")
        self.recipe = "coffee"
        self.loaded: list[str] = []
        self.wrap: Callable[[Runtime], Runtime] = lambda runtime: runtime

    def register(
        self,
        *,
        sharpness: float = 4.0,
        labels: Sequence[str] = LABELS,
        samples: Sequence[Mapping[str, Any]] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> ModelVersion:
        """Register an image model with a bundle on disk."""
        files = {
            "model.onnx": model(sharpness),
            "codec.json": json.dumps({"kind": "image", "config": CODEC}).encode(),
            "classes.json": json.dumps({"disease": list(labels)}).encode(),
            "golden.json": json.dumps(
                golden(sharpness) if samples is None else list(samples)
            ).encode(),
            "evaluation.json": b"{}",
            "lineage.json": b"{}",
            "card.md": b"tiny",
        }
        held_out = [image((20 * n, 240 - 20 * n, 9 * n)) for n in range(12)]
        return self.enter(files, held_out, config=config)

    def enter(
        self,
        files: Mapping[str, bytes],
        held_out: Sequence[bytes],
        *,
        config: Mapping[str, Any] | None = None,
    ) -> ModelVersion:
        """Register a version with these files (all but the reference) and this experiment."""
        bundle_files = {**files, REFERENCE: self.reference_for(files, held_out)}
        bundle = self.bundles.write(self.recipe, bundle_files)
        now = self.clock.now()
        tree, code = config or {"epochs": 1}, {"revision": "abc"}
        run = Run(str(uuid7()), self.recipe, "s" * 64, 7, tree, code, {}, now)
        with self.ledger.begin() as unit:
            if not unit.latest(Snapshot, limit=1):
                class_lists = json.loads(files["classes.json"])
                names = {target: tuple(row) for target, row in class_lists.items()}
                snapshot = Snapshot("s" * 64, self.recipe, 12, {}, names, "stop", None, now)
                unit.add(snapshot, SnapshotTaken(actor="test", subject=snapshot.id, rows=12))
            id = unit.next_version()
            version = ModelVersion(id, bundle, run.id, "s" * 64, self.recipe, None, now)
            unit.add(run, RunFinished(actor="test", subject=run.id, weights=""))
            unit.add(
                version, VersionRegistered(actor="test", subject=id, bundle=bundle, run=run.id)
            )
        return version

    def promote(self, version: ModelVersion) -> None:
        """Make the version champion and the old champion previous, in one unit."""
        now = self.clock.now()
        verdict = Verdict(str(uuid7()), version.id, None, True, (), 1, now)
        with self.ledger.begin() as unit:
            unit.add(
                verdict,
                VerdictRecorded(actor="test", subject=verdict.id, version=version.id, passed=True),
            )
            before = unit.alias("champion")
            aliases = [Alias("champion", version.id, verdict.id, now)]
            if before:
                aliases.append(replace(before, name="previous"))
            for alias in aliases:
                current = unit.alias(alias.name)
                expected = current.version if current else None
                event = AliasMoved(
                    actor="test",
                    subject=alias.version,
                    version=alias.version,
                    before=expected,
                    verdict=alias.verdict,
                )
                unit.move_alias(alias, expected=expected, event=event)

    def load(self, version: ModelVersion) -> Predictor:
        self.loaded.append(version.id)
        bundle = self.bundles.open(version.bundle)
        return Predictor(bundle, self.wrap(OnnxRuntime(bundle.model)))

    def parts(self, **settings: object) -> ServerParts:
        options = {"home": self.root, "poll_ms": NO_POLL_MS, **settings}
        return ServerParts(
            recipe=self.recipe,
            server=str(uuid7()),
            settings=read_settings(**options),
            ledger=self.ledger,
            traffic=self.traffic,
            blobs=self.blobs,
            clock=self.clock,
            load=self.load,
        )


class AppClient:
    """The running app and an HTTP client for it."""

    def __init__(self, app: FastAPI, loop: asyncio.AbstractEventLoop) -> None:
        self.app = app
        self.slots = app.state.slots
        self.batcher = app.state.batcher
        self._loop = loop
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://localhost")

    def send(self, method: str, path: str, **request: Any) -> Future[httpx.Response]:
        """Send a request and return its future."""
        coroutine = self._client.request(method, path, **request)
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def request(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send a request and wait for the response."""
        return self.send(method, path, **request).result(timeout=60)


@contextmanager
def run_app(app: FastAPI) -> Iterator[AppClient]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    lifespan = app.router.lifespan_context(app)
    asyncio.run_coroutine_threadsafe(lifespan.__aenter__(), loop).result(timeout=60)
    try:
        yield AppClient(app, loop)
    finally:
        ending = lifespan.__aexit__(None, None, None)
        asyncio.run_coroutine_threadsafe(ending, loop).result(timeout=60)
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result(timeout=60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def workspace(tmp_path: Path, reference_for: ReferenceFor) -> Workspace:
    """An empty workspace."""
    return Workspace(tmp_path, reference_for)


@pytest.fixture
def start_app() -> Iterator[Callable[..., AppClient]]:
    """`start_app(parts, routes)` runs the app over these parts and refreshes its slots once."""
    with ExitStack() as stack:

        def start(serving: ServerParts, routes: Any = coffee) -> AppClient:
            client = stack.enter_context(run_app(create_app(serving, routes)))
            client.slots.refresh()
            return client

        yield start


@pytest.fixture
def client(workspace: Workspace, start_app: Callable[..., AppClient]) -> AppClient:
    """The app, ready, serving v1."""
    workspace.promote(workspace.register())
    return start_app(workspace.parts())


@pytest.fixture
def leaf() -> Callable[[Sequence[int]], bytes]:
    """Make a PNG of one colour."""
    return image


@pytest.fixture
def red() -> bytes:
    """An image that is Miner."""
    return image((200, 10, 10))


@pytest.fixture
def on_disk(workspace: Any) -> Iterator[Any]:
    """A workspace whose ledger is a file, without any version."""
    ledger = workspace.root / "ledger.sqlite"
    upgrade(ledger)
    workspace.ledger = SqlLedger.existing(ledger, workspace.clock)
    yield workspace
    workspace.ledger.close()
