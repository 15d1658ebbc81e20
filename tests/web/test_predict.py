"""POST /v1/predict: one and many payloads, JSON and files, and every invalid form."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tidemill.adapters.memory import MemoryTraffic
from tidemill.domain.errors import StorageFailed


def as_json(payload: bytes) -> dict[str, str]:
    return {"image": base64.b64encode(payload).decode()}


def test_one_as_json(client: Any, red: bytes) -> None:
    response = client.request("POST", "/v1/predict", json=as_json(red))
    assert response.status_code == 200, response.text
    [entry] = response.json()["predictions"]
    assert (entry["index"], entry["target"], entry["label"]) == (0, "disease", "Miner")
    assert (entry["version"], entry["item"]) == ("v1", "")
    assert entry["confidence"] == entry["probabilities"]["Miner"]
    assert sum(entry["probabilities"].values()) == pytest.approx(1)


def test_many_as_json_keep_their_order(client: Any, leaf: Any) -> None:
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (0, 200, 0), (200, 0, 0)]
    rows = [as_json(leaf(colour)) for colour in colours]
    response = client.request("POST", "/v1/predict", json={"instances": rows})
    result = response.json()["predictions"]
    assert [entry["index"] for entry in result] == [0, 1, 2, 3, 4]
    assert [entry["label"] for entry in result] == ["Miner", "Healthy", "Phoma", "Healthy", "Miner"]
    assert len({entry["id"] for entry in result}) == 5


def test_one_and_many_as_files(client: Any, leaf: Any, red: bytes) -> None:
    one = client.request("POST", "/v1/predict", files={"file": ("a.png", red)})
    assert [entry["label"] for entry in one.json()["predictions"]] == ["Miner"]
    parts = [("file", ("a.png", red)), ("file", ("b.png", leaf((0, 0, 200))))]
    two = client.request("POST", "/v1/predict", files=parts)
    assert [entry["label"] for entry in two.json()["predictions"]] == ["Miner", "Phoma"]


def test_a_large_json_body_is_parsed_off_the_loop(client: Any, red: bytes) -> None:
    images = {"instances": [as_json(red + b"x" * 4_000)] * 60}
    response = client.request("POST", "/v1/predict", json=images)
    assert [row["label"] for row in response.json()["predictions"]] == ["Miner"] * 60


def test_every_prediction_is_in_the_log(client: Any, workspace: Any, red: bytes) -> None:
    [entry] = client.request("POST", "/v1/predict", json=as_json(red)).json()["predictions"]
    record = workspace.traffic.find(entry["id"])
    assert (record.kind, record.payload, record.version) == ("live", red, "v1")
    assert [(a.target, a.label, dict(a.probabilities)) for a in record.answers] == [
        ("disease", entry["label"], entry["probabilities"])
    ]


def test_sequences_increase(client: Any, workspace: Any, red: bytes) -> None:
    ids = []
    for _ in range(3):
        body = client.request("POST", "/v1/predict", json={"instances": [as_json(red)] * 2}).json()
        ids += [entry["id"] for entry in body["predictions"]]
    records = [workspace.traffic.find(id) for id in ids]
    assert [one.sequence for one in records] == sorted({one.sequence for one in records})
    assert {one.server for one in records} == {records[0].server}


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 422, "invalid"),
        ({"json": []}, 422, "invalid"),
        ({"json": {}}, 422, "invalid"),
        ({"json": {"image": 3}}, 422, "invalid"),
        ({"json": {"instances": []}}, 422, "invalid"),
        ({"json": {"instances": {}}}, 422, "invalid"),
        ({"json": {"instances": [3]}}, 422, "invalid"),
        ({"json": {"instances": [{"image": ""}] * 65}}, 422, "invalid"),
        ({"json": {"image": "no base64!"}}, 400, "bad_payload"),
        ({"json": {"image": base64.b64encode(b"no image").decode()}}, 400, "bad_payload"),
        ({"files": {"file": ("a.png", b"no image")}}, 400, "bad_payload"),
        ({"files": {"other": ("a.png", b"x")}}, 422, "invalid"),
        ({"data": {"file": "text"}, "files": {"other": ("a", b"")}}, 422, "invalid"),
        ({"files": [("file", ("a.png", b"x"))] * 65}, 422, "invalid"),
        ({"files": [("file", ("a.png", b"x"))] * 80}, 422, "invalid"),
        (
            {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
            400,
            "malformed",
        ),
        ({"content": b"x", "headers": {"content-type": "image/png"}}, 415, None),
        ({"content": b"x"}, 415, "unsupported_media_type"),
        ({"data": {"image": "x"}}, 415, "unsupported_media_type"),
    ],
)
def test_an_unreadable_payload_is_refused_and_not_logged(
    client: Any, workspace: Any, request_: dict[str, Any], status: int, code: str | None
) -> None:
    before = len(workspace.traffic._predictions)
    response = client.request("POST", "/v1/predict", **request_)
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"code", "message", "hint"}
    assert code in (None, error["code"])
    assert len(workspace.traffic._predictions) == before


@pytest.mark.parametrize("bad", ["no base64!", base64.b64encode(b"no image").decode()])
def test_one_bad_payload_refuses_all_and_is_named(client: Any, red: bytes, bad: str) -> None:
    rows = [as_json(red), as_json(red), {"image": bad}, as_json(red)]
    response = client.request("POST", "/v1/predict", json={"instances": rows})
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith("Payload 2: ")


class BrokenTraffic(MemoryTraffic):
    """Fails when the test asks for it."""

    error: Exception | None = None

    def append(self, predictions: Any) -> None:
        if self.error:
            raise self.error
        super().append(predictions)


@pytest.mark.parametrize("error", [StorageFailed("The disk is full."), OSError("no space")])
def test_a_failed_append_returns_no_prediction(
    workspace: Any, start_app: Any, red: bytes, error: Exception
) -> None:
    traffic = workspace.traffic = BrokenTraffic()
    workspace.promote(workspace.register())
    client = start_app(workspace.parts())
    traffic.error = error
    response = client.request("POST", "/v1/predict", json=as_json(red))
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "storage_failed"
    assert "predictions" not in response.json()
    traffic.error = None
    assert client.request("POST", "/v1/predict", json=as_json(red)).status_code == 200


def test_no_predictions_before_a_golden_check(workspace: Any, start_app: Any, red: bytes) -> None:
    response = start_app(workspace.parts()).request("POST", "/v1/predict", json=as_json(red))
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "not_ready"
    # Somebody must promote a version; waiting alone changes nothing.
    assert "Retry-After" not in response.headers


def test_no_client_can_choose_the_slot(client: Any, workspace: Any, red: bytes) -> None:
    headers = {"tidemill.asked": "v9", "tidemill-asked": "golden"}
    response = client.request(
        "POST", "/v1/predict?tidemill.asked=1", json=as_json(red), headers=headers
    )
    [entry] = response.json()["predictions"]
    assert entry["version"] == "v1"
    assert workspace.traffic.find(entry["id"]).kind == "live"


def test_a_full_queue_refuses_at_once(client: Any, red: bytes) -> None:
    client.batcher._waiting = 256
    response = client.request("POST", "/v1/predict", json=as_json(red))
    client.batcher._waiting = 0
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "overloaded"
    assert response.headers["Retry-After"]
