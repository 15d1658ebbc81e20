"""Hot swap: the server follows the ledger, and no request fails meanwhile."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from fastapi import APIRouter, Request

from tidemill.bundle import MANIFEST, manifest_of
from tidemill.domain.errors import StorageFailed, TimedOut, Unavailable
from tidemill.domain.types import ModelVersion
from tidemill.predictor import Predictor
from tidemill.recipes.routes import GoldenRequest, PredictionServer, Routes
from tidemill.web import predict
from tidemill.web.slots import FINAL_NOTE, RETRY, RETRY_LATE, Slot


def ask(client: Any, payload: bytes, count: int = 1) -> list[dict[str, Any]]:
    row = {"image": base64.b64encode(payload).decode()}
    response = client.request("POST", "/v1/predict", json={"instances": [row] * count})
    assert response.status_code == 200, response.text
    entries: list[dict[str, Any]] = response.json()["predictions"]
    return entries


def serves(client: Any, payload: bytes) -> str:
    version: str = ask(client, payload)[0]["version"]
    return version


def test_it_follows_the_champion(client: Any, workspace: Any, red: bytes) -> None:
    assert serves(client, red) == "v1"
    workspace.promote(workspace.register(sharpness=2.0))
    assert serves(client, red) == "v1", "nothing moves between two turns"
    client.slots.refresh()
    assert serves(client, red) == "v2"
    view = client.slots.state
    assert (view.previous.version.id, view.fault) == ("v1", "")


def test_a_rollback_loads_nothing(client: Any, workspace: Any, red: bytes) -> None:
    first = client.slots.state.champion
    workspace.promote(workspace.register(sharpness=2.0))
    client.slots.refresh()
    workspace.loaded.clear()
    workspace.promote(first.version)
    client.slots.refresh()
    assert client.slots.state.champion is first
    assert client.slots.state.previous.version.id == "v2"
    assert workspace.loaded == []
    assert serves(client, red) == "v1"


def test_other_versions_are_unloaded(client: Any, workspace: Any) -> None:
    for _ in range(3):
        workspace.promote(workspace.register())
        client.slots.refresh()
    assert {version.id for version in client.slots._checked} == {"v4", "v3"}


def test_a_restarted_server_proves_both(workspace: Any, start_app: Any) -> None:
    workspace.promote(workspace.register())
    workspace.promote(workspace.register(sharpness=2.0))
    view = start_app(workspace.parts()).slots.state
    assert (view.champion.version.id, view.previous.version.id) == ("v2", "v1")


def test_a_refused_candidate_leaves_the_old_one(
    client: Any, workspace: Any, red: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    workspace.promote(workspace.register(labels=("Healthy", "Miner", "Phoma")))
    for _ in range(3):
        client.slots.refresh()
    assert serves(client, red) == "v1"
    assert "champion v2 is refused" in client.slots.state.fault
    assert "'Healthy' was answered where 'Miner' is true" in client.slots.state.fault
    ready = client.request("GET", "/v1/ready")
    assert (ready.status_code, ready.json()["version"]) == (200, "v1")
    assert ready.json()["fault"] == client.request("GET", "/v1/info").json()["fault"] != ""
    assert workspace.loaded.count("v2") == 1, "not tried again at once"
    assert [r.message for r in caplog.records].count(client.slots.state.fault) == 1


def test_a_faulty_version_is_never_checked_again(client: Any, workspace: Any) -> None:
    workspace.promote(workspace.register(labels=("Healthy", "Miner", "Phoma")))
    client.slots.refresh()
    rows = len(workspace.traffic._predictions)
    for _ in range(3):
        workspace.clock.advance(timedelta(days=1))
        client.slots.refresh()
    assert workspace.loaded.count("v2") == 1
    assert len(workspace.traffic._predictions) == rows
    assert client.slots.state.fault.endswith(FINAL_NOTE)


def test_a_bundle_that_was_tampered_with_is_not_tried_again(client: Any, workspace: Any) -> None:
    version = workspace.register(sharpness=2.0)
    (workspace.bundles.root / version.bundle / "classes.json").write_text("{}")
    workspace.promote(version)
    for _ in range(3):
        client.slots.refresh()
        workspace.clock.advance(timedelta(days=1))
    assert workspace.loaded.count("v2") == 1
    assert client.slots.state.fault.endswith(FINAL_NOTE)


def test_a_refused_version_is_checked_again_when_its_alias_moves(
    client: Any, workspace: Any
) -> None:
    first = client.slots.state.champion.version
    refused = workspace.register(labels=("Healthy", "Miner", "Phoma"))
    workspace.promote(refused)
    client.slots.refresh()
    workspace.promote(first)
    workspace.clock.advance(timedelta(seconds=1))
    client.slots.refresh()
    loaded = workspace.loaded.count("v2")
    workspace.promote(refused)
    client.slots.refresh()
    assert workspace.loaded.count("v2") == loaded + 1


class Full:
    """A traffic log on a disk that is full for a while."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.full = False

    def append(self, predictions: Any) -> None:
        if self.full:
            raise StorageFailed("The disk is full.")
        self.inner.append(predictions)

    def find(self, id: str) -> Any:
        return self.inner.find(id)

    def close(self) -> None:
        self.inner.close()


def test_a_version_that_was_unavailable_is_checked_again(workspace: Any, start_app: Any) -> None:
    workspace.traffic = log = Full(workspace.traffic)
    workspace.promote(workspace.register())
    client = start_app(workspace.parts())
    log.full = True
    workspace.promote(workspace.register(sharpness=2.0))
    client.slots.refresh()
    assert "The disk is full." in client.slots.state.fault
    assert FINAL_NOTE not in client.slots.state.fault
    log.full = False
    client.slots.refresh()
    assert client.slots.state.champion.version.id == "v1", "not before it has rested"
    workspace.clock.advance(timedelta(seconds=5))
    client.slots.refresh()
    assert (client.slots.state.champion.version.id, client.slots.state.fault) == ("v2", "")


def test_ready_is_logged_once_per_champion(
    workspace: Any, start_app: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tidemill")
    workspace.promote(workspace.register())
    client = start_app(workspace.parts())
    client.slots.refresh()
    workspace.promote(workspace.register(sharpness=2.0))
    for _ in range(2):
        client.slots.refresh()
    messages = [r.message for r in caplog.records if r.message.startswith("ready")]
    assert messages == ["ready: v1 is served", "ready: v2 is served"]


def test_a_version_that_could_not_be_loaded_is_tried_again_after_a_while(
    client: Any, workspace: Any
) -> None:
    good = workspace.register(sharpness=2.0)
    folder = workspace.bundles.root / good.bundle
    away = folder.rename(folder.with_name("on its way"))
    workspace.promote(good)
    client.slots.refresh()
    assert "no bundle in" in client.slots.state.fault
    assert FINAL_NOTE not in client.slots.state.fault
    away.rename(folder)
    workspace.clock.advance(timedelta(seconds=4))
    client.slots.refresh()
    assert client.slots.state.champion.version.id == "v1"
    workspace.clock.advance(timedelta(seconds=1))
    client.slots.refresh()
    assert (client.slots.state.champion.version.id, client.slots.state.fault) == ("v2", "")


def test_a_check_that_took_too_long_is_repeated_late(
    client: Any, workspace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take_too_long(_: Slot) -> str:
        raise TimedOut("The check took too long.")

    with monkeypatch.context() as patch:
        patch.setattr(client.slots, "_check", take_too_long)
        workspace.promote(workspace.register(sharpness=2.0))
        client.slots.refresh()
    for passed, version in ((RETRY, "v1"), (RETRY_LATE - RETRY, "v2")):
        workspace.clock.advance(passed)
        client.slots.refresh()
        assert client.slots.state.champion.version.id == version


def test_a_load_that_takes_long_to_fail_is_repeated_after_a_while(
    client: Any, workspace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str] = []

    def load(version: ModelVersion) -> Predictor:
        loads.append(version.id)
        workspace.clock.advance(2 * RETRY)
        raise Unavailable("The storage does not answer.")

    monkeypatch.setattr(client.slots, "_load", load)
    workspace.promote(workspace.register(sharpness=2.0))
    for _ in range(3):
        client.slots.refresh()
    assert loads == ["v2"]


def test_a_moved_alias_is_tried_at_once(client: Any, workspace: Any) -> None:
    workspace.promote(workspace.register(labels=("Healthy", "Miner", "Phoma")))
    client.slots.refresh()
    workspace.promote(workspace.register(sharpness=2.0))
    client.slots.refresh()
    assert client.slots.state.champion.version.id == "v3"
    assert "previous v2 is refused" in client.slots.state.fault


def test_a_candidate_that_is_withdrawn_while_it_loads_is_never_served(
    client: Any, workspace: Any
) -> None:
    first = client.slots.state.champion

    def withdraw(runtime: Any) -> Any:
        workspace.wrap = lambda inputs: inputs
        workspace.promote(first.version)
        return runtime

    workspace.wrap = withdraw
    workspace.promote(workspace.register(sharpness=2.0))
    client.slots.refresh()
    assert client.slots.state.champion is first
    client.slots.refresh()
    assert client.slots.state.champion is first
    assert client.slots.state.previous.version.id == "v2"


def test_a_tampered_bundle_is_never_served(workspace: Any, start_app: Any) -> None:
    version = workspace.register()
    other = workspace.register(sharpness=2.0)
    root = workspace.bundles.root
    (root / version.bundle / "model.onnx").write_bytes(
        (root / other.bundle / "model.onnx").read_bytes()
    )
    workspace.promote(version)
    client = start_app(workspace.parts())
    assert client.request("GET", "/v1/ready").status_code == 503
    assert "does not match its manifest" in client.slots.state.fault


def test_a_bundle_that_was_signed_anew_is_a_stranger(workspace: Any, start_app: Any) -> None:
    version = workspace.register()
    folder = workspace.bundles.root / version.bundle
    labels = folder / "classes.json"
    labels.write_text(json.dumps({"disease": ["Healthy", "Miner", "Phoma"]}))
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != MANIFEST}
    (folder / MANIFEST).write_bytes(manifest_of("coffee", files))
    workspace.promote(version)
    client = start_app(workspace.parts())
    assert client.slots.state.champion is None
    assert "another manifest" in client.slots.state.fault


def test_no_champion_is_not_ready(workspace: Any, start_app: Any) -> None:
    workspace.register()
    client = start_app(workspace.parts())
    response = client.request("GET", "/v1/ready")
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "not_ready"
    assert response.json()["error"]["message"] == "No version is champion."


def test_a_ledger_that_fails_changes_nothing(
    client: Any, workspace: Any, red: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*, write: bool = True) -> Any:
        raise OSError("the disk is gone")

    monkeypatch.setattr(workspace.ledger, "begin", broken)
    client.slots.refresh()
    assert serves(client, red) == "v1"
    assert "the disk is gone" in client.slots.state.fault
    monkeypatch.undo()
    client.slots.refresh()
    assert client.slots.state.fault == ""


class Held:
    """A runtime that waits when the test asks for it."""

    alone = False

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.entered = threading.Event()
        self.go = threading.Event()
        self.go.set()

    def terminate(self) -> None:
        """Its runs are short."""

    def run(self, arrays: Mapping[str, Any]) -> Mapping[str, Any]:
        self.entered.set()
        assert self.go.wait(20)
        result: Mapping[str, Any] = self.inner.run(arrays)
        return result


def test_a_request_keeps_its_version_through_a_swap(
    workspace: Any, start_app: Any, red: bytes
) -> None:
    runtimes: list[Held] = []

    def wrap(runtime: Any) -> Held:
        runtimes.append(Held(runtime))
        return runtimes[-1]

    workspace.wrap = wrap
    workspace.promote(workspace.register())
    client = start_app(workspace.parts())
    first = runtimes[0]
    first.entered.clear()
    first.go.clear()
    row = {"image": base64.b64encode(red).decode()}
    params = client.send("POST", "/v1/predict", json={"instances": [row] * 5})
    assert first.entered.wait(20)
    workspace.promote(workspace.register(sharpness=2.0))
    turn = threading.Thread(target=client.slots.refresh)
    turn.start()
    first.go.set()
    turn.join(20)
    assert {entry["version"] for entry in params.result(20).json()["predictions"]} == {"v1"}
    assert {entry["version"] for entry in ask(client, red, 5)} == {"v2"}


def test_no_request_fails_or_mixes_while_versions_change(
    client: Any, workspace: Any, red: bytes
) -> None:
    versions = [client.slots.state.champion.version, workspace.register(sharpness=2.0)]
    row = {"image": base64.b64encode(red).decode()}
    expected: dict[str, float] = {}
    for turn in range(6):
        params = [
            client.send("POST", "/v1/predict", json={"instances": [row] * 3}) for _ in range(8)
        ]
        workspace.promote(versions[(turn + 1) % 2])
        client.slots.refresh()
        for future in params:
            response = future.result(20)
            assert response.status_code == 200, response.text
            entries = response.json()["predictions"]
            assert len({entry["version"] for entry in entries}) == 1
            for entry in entries:
                expected.setdefault(entry["version"], entry["confidence"])
                assert entry["confidence"] == pytest.approx(expected[entry["version"]])
    assert set(expected) == {"v1", "v2"}
    assert len(set(expected.values())) == 2


def test_a_builder_that_turns_labels_round_keeps_the_old_one_in_place(
    client: Any, workspace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = predict.answer_entries

    def reversed_(predictions: Any) -> list[dict[str, Any]]:
        entries = true(predictions)
        for entry in entries:
            names = list(entry["probabilities"])
            swap = dict(zip(names, reversed(names), strict=True))
            entry["label"] = swap[entry["label"]]
            entry["probabilities"] = {swap[n]: p for n, p in entry["probabilities"].items()}
        return entries

    monkeypatch.setattr(predict, "answer_entries", reversed_)
    workspace.promote(workspace.register(sharpness=2.0))
    client.slots.refresh()
    assert client.slots.state.champion.version.id == "v1"
    assert "/v1/predict" in client.slots.state.fault


def test_a_request_that_asks_twice_is_answered_by_one_version(
    workspace: Any, start_app: Any, red: bytes
) -> None:
    turns: list[Any] = []

    def build(server: PredictionServer) -> Routes:
        router = APIRouter()

        @router.post("/twice")
        async def twice(request: Request) -> list[Any]:
            payload = await request.body()
            entries = await server.predict(request, [payload])
            while turns:
                await asyncio.to_thread(turns.pop(0))
            entries += await server.predict(request, [payload])
            reply = entries[0].answers[0]
            return [[one.version for one in entries], reply.label, reply.probabilities]

        probe = GoldenRequest(
            "/twice",
            build_request=lambda payload: {"content": payload},
            read_answers=lambda body: [("disease", *body[1:])],
        )
        return Routes(router, (probe,))

    workspace.promote(workspace.register())
    client = start_app(workspace.parts(), build)
    turns += [lambda: workspace.promote(workspace.register(sharpness=2.0)), client.slots.refresh]
    assert client.request("POST", "/twice", content=red).json()[0] == ["v1", "v1"]
    assert not turns
    assert serves(client, red) == "v2"
