"""The read routes."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import Any

from uuid_utils import uuid7

from tidemill import __version__
from tidemill.domain.events import FeedbackReceived


def predicted(client: Any, payload: bytes) -> dict[str, Any]:
    row = {"image": base64.b64encode(payload).decode()}
    entry: dict[str, Any] = client.request("POST", "/v1/predict", json=row).json()["predictions"][0]
    return entry


def test_live_and_ready(client: Any) -> None:
    assert client.request("GET", "/v1/live").json() == {"live": True}
    assert client.request("GET", "/v1/ready").json() == {
        "ready": True,
        "version": "v1",
        "fault": "",
    }


def test_live_without_a_model(workspace: Any, start_app: Any) -> None:
    client = start_app(workspace.parts())
    assert client.request("GET", "/v1/live").status_code == 200
    info = client.request("GET", "/v1/info").json()
    assert (info["champion"], info["bundle"], info["classes"]) == (None, None, {})


def test_info(client: Any, workspace: Any) -> None:
    champion = client.slots.state.champion.version
    info = client.request("GET", "/v1/info").json()
    assert info.pop("server")
    assert info == {
        "tidemill": __version__,
        "recipe": "coffee",
        "champion": "v1",
        "previous": None,
        "bundle": champion.bundle,
        "codec": "image",
        "classes": {"disease": ["Miner", "Healthy", "Phoma"]},
        "fault": "",
        "durability": "process",
    }


def test_a_prediction_has_its_lineage(client: Any, red: bytes) -> None:
    entry = predicted(client, red)
    version = client.slots.state.champion.version
    response = client.request("GET", f"/v1/predictions/{entry['id']}")
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


def drain_predictions(workspace: Any, id: str) -> None:
    """Drain a prediction from the log into the ledger."""
    record = workspace.traffic.find(id)
    with workspace.ledger.begin() as unit:
        unit.drain(record.server, [record], [], since=0)


def test_a_drained_prediction_is_the_same_with_another_status(
    client: Any, workspace: Any, red: bytes
) -> None:
    id = predicted(client, red)["id"]
    before = client.request("GET", f"/v1/predictions/{id}")
    drain_predictions(workspace, id)
    after = client.request("GET", f"/v1/predictions/{id}")
    assert (before.status_code, after.status_code) == (202, 200)
    assert after.json() == before.json()


def test_a_prediction_whose_version_the_ledger_lost_is_no_404(
    client: Any, workspace: Any, red: bytes
) -> None:
    record = workspace.traffic.find(predicted(client, red)["id"])
    lost = replace(record, id=str(uuid7()), sequence=10**6, version="v9")
    workspace.traffic.append([lost])
    response = client.request("GET", f"/v1/predictions/{lost.id}")
    assert (response.status_code, response.json()["error"]["code"]) == (500, "corrupt")


def test_models_newest_first_with_aliases_and_verdicts(client: Any, workspace: Any) -> None:
    workspace.promote(workspace.register(sharpness=2.0))
    workspace.register(sharpness=3.0)
    models = client.request("GET", "/v1/models").json()["models"]
    assert [model["id"] for model in models] == ["v3", "v2", "v1"]
    assert [model["aliases"] for model in models] == [[], ["champion"], ["previous"]]
    assert [bool(model["verdicts"]) for model in models] == [False, True, True]
    assert len(client.request("GET", "/v1/models?limit=1").json()["models"]) == 1
    one = client.request("GET", "/v1/models/v2").json()
    assert one == models[1]
    [verdict] = one["verdicts"]
    assert (verdict["passed"], verdict["checks"]) == (True, [])
    assert one["training"]["id"] == one["run"]


def test_the_causes_of_a_version_and_of_nothing(client: Any) -> None:
    causes = client.request("GET", "/v1/why/v1").json()["causes"]
    assert causes[0] == "v1 is champion."
    response = client.request("GET", "/v1/why/v9")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


def test_events_newest_first(client: Any) -> None:
    events = client.request("GET", "/v1/events").json()["events"]
    kinds = ["AliasMoved", "VerdictRecorded", "VersionRegistered", "RunFinished", "SnapshotTaken"]
    assert [event["kind"] for event in events] == kinds
    assert events[0]["detail"]["version"] == "v1"
    assert len(client.request("GET", "/v1/events?limit=2").json()["events"]) == 2


def test_labels_of_strangers_push_no_other_event_out_of_sight(client: Any, workspace: Any) -> None:
    kinds = ["AliasMoved", "VerdictRecorded", "VersionRegistered", "RunFinished", "SnapshotTaken"]
    flood = FeedbackReceived(actor="anonymous", subject="f1", example="x", target="t", label="rust")
    with workspace.ledger.begin() as unit:
        for _ in range(1_001):
            unit.record_event(flood)

    def read(query: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = client.request("GET", f"/v1/events?{query}").json()["events"]
        return rows

    page = read("limit=1000")
    assert {event["kind"] for event in page} == {"FeedbackReceived"}
    rest = read(f"limit=1000&before={page[-1]['id']}")
    assert [event["kind"] for event in rest] == ["FeedbackReceived", *kinds]
    moves = read("kind=AliasMoved&kind=RunFinished")
    assert [event["kind"] for event in moves] == ["AliasMoved", "RunFinished"]
    assert read(f"kind=AliasMoved&before={moves[0]['id']}") == []


def test_bad_filters_of_events_are_named(client: Any) -> None:
    response = client.request("GET", "/v1/events?kind=AliasMoved&kind=Promotion")
    assert response.status_code == 422
    assert "'AliasMoved'" in response.json()["error"]["message"]
    assert client.request("GET", "/v1/events?before=yesterday").status_code == 422
    unknown = uuid7()
    response = client.request("GET", f"/v1/events?before={unknown}")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")
    assert str(unknown) in response.json()["error"]["message"]
