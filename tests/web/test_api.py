"""The reading routes."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import Any

from uuid_utils import uuid7

from tidemill import __version__


def predicted(door: Any, payload: bytes) -> dict[str, Any]:
    row = {"image": base64.b64encode(payload).decode()}
    entry: dict[str, Any] = door.ask("POST", "/v1/predict", json=row).json()["predictions"][0]
    return entry


def test_live_and_ready(door: Any) -> None:
    assert door.ask("GET", "/v1/live").json() == {"live": True}
    assert door.ask("GET", "/v1/ready").json() == {"ready": True, "version": "v1", "fault": ""}


def test_live_without_a_model(workspace: Any, opened: Any) -> None:
    door = opened(workspace.serving())
    assert door.ask("GET", "/v1/live").status_code == 200
    info = door.ask("GET", "/v1/info").json()
    assert (info["champion"], info["bundle"], info["classes"]) == (None, None, {})


def test_info(door: Any, workspace: Any) -> None:
    champion = door.slots.view.champion.version
    info = door.ask("GET", "/v1/info").json()
    assert info.pop("server")
    assert info == {
        "tidemill": __version__,
        "recipe": "coffee",
        "champion": "v1",
        "previous": None,
        "bundle": champion.bundle,
        "classes": {"disease": ["Miner", "Healthy", "Phoma"]},
        "fault": "",
        "durability": "process",
    }


def test_a_prediction_leads_to_what_it_came_from(door: Any, red: bytes) -> None:
    entry = predicted(door, red)
    version = door.slots.view.champion.version
    response = door.ask("GET", f"/v1/predictions/{entry['id']}")
    assert response.status_code == 202
    body = response.json()
    assert body["id"] == entry["id"]
    assert (body["version"], body["kind"]) == ("v1", "live")
    assert body["at"] == "2026-01-01T00:00:00+00:00"
    assert body["example"] == hashlib.sha256(red).hexdigest()
    [answer] = body["answers"]
    assert (answer["label"], answer["probabilities"]) == (entry["label"], entry["probabilities"])
    assert body["lineage"] == {
        "version": "v1",
        "bundle": version.bundle,
        "snapshot": "s" * 64,
        "run": version.run,
        "seed": 7,
        "code": {"revision": "abc"},
        "config": {"epochs": 1},
    }


def drained(workspace: Any, id: str) -> None:
    """Let the ledger take over what the log has."""
    kept = workspace.traffic.find(id)
    with workspace.ledger.begin() as unit:
        unit.drain(kept.server, [kept], [], since=0)


def test_a_drained_prediction_is_the_same_with_another_status(
    door: Any, workspace: Any, red: bytes
) -> None:
    id = predicted(door, red)["id"]
    before = door.ask("GET", f"/v1/predictions/{id}")
    drained(workspace, id)
    after = door.ask("GET", f"/v1/predictions/{id}")
    assert (before.status_code, after.status_code) == (202, 200)
    assert after.json() == before.json()


def test_a_prediction_whose_version_the_ledger_lost_is_no_404(
    door: Any, workspace: Any, red: bytes
) -> None:
    kept = workspace.traffic.find(predicted(door, red)["id"])
    lost = replace(kept, id=str(uuid7()), sequence=10**6, version="v9")
    workspace.traffic.append([lost])
    response = door.ask("GET", f"/v1/predictions/{lost.id}")
    assert (response.status_code, response.json()["error"]["code"]) == (500, "corrupt")


def test_models_newest_first_with_aliases_and_verdicts(door: Any, workspace: Any) -> None:
    workspace.promote(workspace.register(sharpness=2.0))
    workspace.register(sharpness=3.0)
    models = door.ask("GET", "/v1/models").json()["models"]
    assert [model["id"] for model in models] == ["v3", "v2", "v1"]
    assert [model["aliases"] for model in models] == [[], ["champion"], ["previous"]]
    assert [bool(model["verdict"]) for model in models] == [False, True, True]
    assert len(door.ask("GET", "/v1/models?limit=1").json()["models"]) == 1
    one = door.ask("GET", "/v1/models/v2").json()
    assert one == models[1]
    assert one["verdict"]["passed"] is True
    assert one["verdict"]["checks"] == []


def test_events_newest_first(door: Any) -> None:
    events = door.ask("GET", "/v1/events").json()["events"]
    kinds = ["AliasMoved", "VerdictRecorded", "VersionRegistered", "RunFinished", "SnapshotTaken"]
    assert [event["kind"] for event in events] == kinds
    assert events[0]["detail"]["version"] == "v1"
    assert len(door.ask("GET", "/v1/events?limit=2").json()["events"]) == 2
