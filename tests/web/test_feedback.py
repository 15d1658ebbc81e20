"""Feedback over HTTP: durable before the response, and refused with a reason."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from uuid_utils import uuid7

from tidemill.adapters.blobs import FileBlobs
from tidemill.adapters.memory import FixedClock, MemoryBlobs, MemoryTraffic
from tidemill.adapters.memory_ledger import MemoryLedger
from tidemill.adapters.sql.ledger import SqlLedger
from tidemill.adapters.sql.upgrade import upgrade
from tidemill.domain.errors import StorageFailed
from tidemill.domain.feedback import Feedback
from tidemill.domain.types import Prediction
from tidemill.loop.feedback import give
from tidemill.web.feedback import MAX_LABELS

NOW = FixedClock().now()
Leaf = Callable[[Sequence[int]], bytes]


def image(payload: bytes) -> dict[str, str]:
    return {"image": base64.b64encode(payload).decode()}


def predicted(client: Any, payload: bytes) -> str:
    body = client.request("POST", "/v1/predict", json=image(payload)).json()
    return str(body["predictions"][0]["id"])


def post_feedback(client: Any, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    body = rows[0] if len(rows) == 1 else {"feedback": list(rows)}
    response = client.request("POST", "/v1/feedback", json=body)
    assert response.status_code == 200, response.text
    receipts: list[dict[str, Any]] = response.json()["feedback"]
    return receipts


def refused(client: Any, body: Any, status: int, code: str) -> dict[str, str]:
    response = client.request("POST", "/v1/feedback", json=body)
    error: dict[str, str] = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code), response.text
    return error


def feedback_records(workspace: Any) -> list[Feedback]:
    with workspace.ledger.begin(write=False) as unit:
        rows: list[Feedback] = unit.feedback(limit=None)
    return rows


def test_feedback_on_a_prediction_is_pending_and_stores_its_payload(
    client: Any, workspace: Any, red: bytes
) -> None:
    id = predicted(client, red)
    [receipts] = post_feedback(client, {"prediction": id, "label": "Phoma", "actor": "ana"})
    [item] = feedback_records(workspace)
    example = hashlib.sha256(red).hexdigest()
    assert receipts.pop("repeated") is False
    assert datetime.fromisoformat(receipts.pop("at")) == item.at
    shown = {**asdict(item), "client": ""}
    assert receipts == {name: value for name, value in shown.items() if name != "at"}
    assert client.request("GET", "/v1/feedback").json()["feedback"][0]["client"] == ""
    assert workspace.blobs.get(example) == red
    assert item == Feedback(
        id=item.id,
        prediction=id,
        example=example,
        target="disease",
        item="",
        label="Phoma",
        predicted_label="Miner",
        actor="anonymous",
        at=workspace.clock.now(),
        claimed_actor="ana",
        client="127.0.0.1",
    )


def test_feedback_may_bring_its_own_payload(client: Any, workspace: Any, red: bytes) -> None:
    [receipts] = post_feedback(
        client, {"payload": image(red), "target": "disease", "label": "Phoma"}
    )
    [item] = feedback_records(workspace)
    assert workspace.blobs.get(receipts["example"]) == red
    assert (item.prediction, item.predicted_label, item.actor) == ("", "", "anonymous")


def test_an_item_of_a_payload_is_refused(client: Any, workspace: Any, red: bytes) -> None:
    good = {"payload": image(red), "label": "Phoma"}
    for body in ({**good, "item": "7"}, {"feedback": [good, {**good, "item": "7"}]}):
        error = refused(client, body, 422, "invalid")
        assert "A payload has no item '7' yet." in error["message"]
        assert error["message"].startswith("feedback.1: ") == ("feedback" in body)
        assert "Predictions name the items" in error["hint"]
    assert feedback_records(workspace) == []


def test_the_same_again_is_acknowledged_and_not_recorded(
    client: Any, workspace: Any, red: bytes
) -> None:
    row = {"prediction": predicted(client, red), "label": "Phoma"}
    [first] = post_feedback(client, row)
    assert post_feedback(client, row) == [{**first, "repeated": True}]
    # The payload is what it is about, whichever answer led to it.
    assert post_feedback(client, {"payload": image(red), "label": "Phoma"}) == [
        {**first, "repeated": True}
    ]
    assert len(feedback_records(workspace)) == 1


def test_a_name_that_nobody_proved_takes_no_label_over(
    client: Any, workspace: Any, red: bytes
) -> None:
    id = predicted(client, red)
    named = Feedback(
        "f0", id, hashlib.sha256(red).hexdigest(), "disease", "", "Phoma", "Miner", "ana", NOW
    )
    with workspace.ledger.begin() as unit:
        give(unit, named)
    for label, actor in (("Phoma", "ana"), ("Healthy", "ana"), ("Miner", "bob")):
        post_feedback(client, {"prediction": id, "label": label, "actor": actor})
    rows = [(row.actor, row.claimed_actor, row.label) for row in feedback_records(workspace)]
    assert rows == [
        ("ana", "", "Phoma"),
        ("anonymous", "ana", "Phoma"),
        ("anonymous", "ana", "Healthy"),
        ("anonymous", "bob", "Miner"),
    ]
    assert {row.status for row in feedback_records(workspace)} == {"pending"}


@pytest.mark.parametrize("field", ["prediction", "target", "item", "label", "actor"])
@pytest.mark.parametrize("letter", ["\r", "\n", "\x1b", "\x00", "\x9b", "\u2028", "\u202e"])
def test_control_characters_are_refused(
    client: Any, workspace: Any, red: bytes, field: str, letter: str
) -> None:
    row = {"prediction": predicted(client, red), "label": "Phoma", field: f"a{letter}[2Jb"}
    message = refused(client, row, 422, "invalid")["message"]
    assert message == f"{field}: it has control characters."
    assert feedback_records(workspace) == []


@pytest.mark.parametrize("name", ["ana ", " ana", "\u3000ana"])
def test_a_name_with_blanks_around_it_is_refused(client: Any, red: bytes, name: str) -> None:
    row = {"prediction": predicted(client, red), "label": "Phoma", "actor": name}
    assert "blank" in refused(client, row, 422, "invalid")["message"]


def test_many_labels_are_recorded_together(client: Any, workspace: Any, leaf: Leaf) -> None:
    images = [leaf((200 + n, 10, 10)) for n in range(3)]
    rows = [{"prediction": predicted(client, one), "label": "Phoma"} for one in images]
    receipts = post_feedback(client, *rows, rows[0])
    assert [row["repeated"] for row in receipts] == [False, False, False, True]
    assert [item.id for item in feedback_records(workspace)] == [row["id"] for row in receipts[:3]]


def test_many_are_refused_together_and_the_faulty_one_is_named(
    client: Any, workspace: Any, red: bytes
) -> None:
    good = {"prediction": predicted(client, red), "label": "Phoma"}
    bad: list[tuple[dict[str, Any], int, str]] = [
        ({**good, "label": "Rust"}, 422, "foreign_label"),
        ({**good, "prediction": str(uuid7())}, 404, "not_found"),
        ({**good, "confidence": 1}, 422, "invalid"),
        ({"payload": image(b"no image"), "label": "Phoma"}, 400, "bad_payload"),
    ]
    for row, status, code in bad:
        error = refused(client, {"feedback": [good, row]}, status, code)
        assert error["message"].startswith("feedback.1"), error
    assert feedback_records(workspace) == []


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"label": "Rust"}, "Miner, Healthy, Phoma"),
        ({"target": "age"}, "disease"),
    ],
)
def test_a_label_that_the_model_does_not_have_is_refused_with_those_it_has(
    client: Any, red: bytes, change: dict[str, str], hint: str
) -> None:
    row = {"prediction": predicted(client, red), "label": "Phoma", **change}
    assert hint in refused(client, row, 422, "foreign_label")["hint"]


def test_labels_are_those_of_the_version_that_answered_while_it_is_loaded(
    client: Any, workspace: Any, red: bytes
) -> None:
    old = predicted(client, red)
    renamed = [
        {
            **sample,
            "labels": {"disease": f"{sample['labels']['disease']}2"},
            "probabilities": {
                "disease": {f"{k}2": v for k, v in sample["probabilities"]["disease"].items()}
            },
        }
        for sample in _samples(client)
    ]
    for _ in range(2):
        version = workspace.register(labels=("Miner2", "Healthy2", "Phoma2"), samples=renamed)
        workspace.promote(version)
        client.slots.refresh()
        assert client.slots.state.fault == ""
        loaded = client.slots.state.previous.version.id == "v1"
        row = {"prediction": old, "label": "Phoma" if loaded else "Phoma2"}
        assert post_feedback(client, row)[0]["status"] == "pending"
    refused(client, {"prediction": old, "label": "Phoma"}, 422, "foreign_label")


def _samples(client: Any) -> list[dict[str, Any]]:
    return [row.to_json() for row in client.slots.state.champion.predictor.bundle.golden]


@pytest.mark.parametrize("id", ["01a1fc0e-0718-7673-8520-aacfd4e952c5", "nonsense", "../../etc"])
def test_an_unknown_prediction_is_not_found(client: Any, id: str) -> None:
    refused(client, {"prediction": id, "label": "Phoma"}, 404, "not_found")


def test_a_golden_request_takes_no_feedback(client: Any, workspace: Any) -> None:
    probe = next(p for p in workspace.traffic._predictions.values() if p.kind == "golden")
    error = refused(client, {"prediction": probe.id, "label": "Phoma"}, 422, "invalid")
    assert "golden check" in error["message"]


def test_an_item_that_was_not_answered_is_refused(client: Any, red: bytes) -> None:
    row = {"prediction": predicted(client, red), "label": "Phoma", "item": "7"}
    assert "item '7'" in refused(client, row, 422, "invalid")["message"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "one JSON object"),
        ({}, "label: Field required"),
        ({"feedback": []}, "at least one"),
        ({"feedback": {}}, "at least one"),
        ({"feedback": [{"prediction": "x", "label": "y"}], "actor": "z"}, "must be the only field"),
        ({"label": "Phoma"}, "Either a prediction or a payload"),
        ({"prediction": "x", "payload": {}, "label": "Phoma"}, "Either a prediction or a payload"),
        ({"prediction": "x", "label": ""}, "label: "),
        ({"prediction": "x", "label": 7}, "label: "),
        ({"prediction": "x", "label": "y", "actor": ""}, "actor: "),
        ({"prediction": "x", "label": "y", "actor": "a" * 201}, "actor: "),
        ({"payload": {"photo": ""}, "label": "Phoma"}, "payload: photo: There is no such field"),
        ({"feedback": [{"prediction": "x", "label": "y"}] * (MAX_LABELS + 1)}, "too many"),
    ],
)
def test_a_body_of_another_form_is_refused(client: Any, body: Any, message: str) -> None:
    assert message in refused(client, body, 422, "invalid")["message"]


def test_a_body_that_is_no_json_is_refused(client: Any) -> None:
    head = {"content-type": "application/json"}
    response = client.request("POST", "/v1/feedback", content=b"{", headers=head)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid")
    response = client.request("POST", "/v1/feedback", files={"file": b"x"})
    code = response.json()["error"]["code"]
    assert (response.status_code, code) == (415, "unsupported_media_type")


def test_a_payload_that_cannot_be_read_is_refused(client: Any, workspace: Any) -> None:
    for payload in (image(b"no image"), {"image": "%"}):
        refused(client, {"payload": payload, "label": "Phoma"}, 400, "bad_payload")
    assert feedback_records(workspace) == []


def test_without_a_model_nothing_is_taken(workspace: Any, start_app: Any, red: bytes) -> None:
    client = start_app(workspace.parts())
    refused(client, {"payload": image(red), "label": "Phoma"}, 503, "not_ready")


def test_a_drained_answer_is_found_and_its_payload_still_in_the_log(
    client: Any, workspace: Any, red: bytes
) -> None:
    id = predicted(client, red)
    drain(workspace, id)
    [receipts] = post_feedback(client, {"prediction": id, "label": "Phoma"})
    assert workspace.blobs.get(receipts["example"]) == red


def drain(workspace: Any, id: str) -> None:
    record = workspace.traffic.find(id)
    with workspace.ledger.begin() as unit:
        unit.drain(record.server, [record], [], since=0)


class Forgetful(MemoryTraffic):
    """A log that was removed after it was drained."""

    forgets = False

    def find(self, id: str) -> Prediction | None:
        return None if self.forgets else super().find(id)


def test_a_missing_payload_must_be_sent_again(workspace: Any, start_app: Any, red: bytes) -> None:
    workspace.traffic = Forgetful()
    workspace.promote(workspace.register())
    client = start_app(workspace.parts())
    id = predicted(client, red)
    drain(workspace, id)
    workspace.traffic.forgets = True
    row = {"prediction": id, "label": "Phoma"}
    error = refused(client, row, 410, "payload_gone")
    assert "Send the payload" in error["hint"]
    assert feedback_records(workspace) == []
    # Once somebody has sent it, the other answers to it can be spoken of, too.
    [first] = post_feedback(client, {"payload": image(red), "label": "Phoma"})
    assert post_feedback(client, row) == [{**first, "repeated": True}]


class Full(MemoryBlobs):
    """A disk without room."""

    def put(self, content: bytes) -> str:
        raise StorageFailed("The disk is full.")


class Shut(MemoryLedger):
    """A ledger that fails at the end of a unit when the test asks for it."""

    shut = False

    @contextlib.contextmanager
    def begin(self, *, write: bool = True) -> Iterator[Any]:
        with super().begin(write=write) as unit:
            yield unit
            if write and self.shut:
                raise StorageFailed("The ledger cannot be written.")


@pytest.mark.parametrize("part", ["blobs", "ledger"])
def test_a_failed_write_is_not_acknowledged(
    workspace: Any, start_app: Any, red: bytes, part: str
) -> None:
    workspace.ledger = Shut(workspace.clock)
    workspace.blobs = Full() if part == "blobs" else MemoryBlobs()
    workspace.promote(workspace.register())
    client = start_app(workspace.parts())
    workspace.ledger.shut = part == "ledger"
    rows = [
        {"prediction": predicted(client, red), "label": "Phoma"},
        {"payload": image(red), "label": "Healthy"},
    ]
    for body in (*rows, {"feedback": rows}):
        response = client.request("POST", "/v1/feedback", json=body)
        assert response.json()["error"]["code"] == "storage_failed"
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert feedback_records(workspace) == []


class Watching(MemoryBlobs):
    """Counts the feedback in the ledger at every put."""

    def __init__(self, workspace: Any) -> None:
        super().__init__()
        self.workspace = workspace
        self.counts: list[int] = []

    def put(self, content: bytes) -> str:
        self.counts.append(len(feedback_records(self.workspace)))
        return super().put(content)


def test_feedback_outlives_the_server_that_took_it(
    workspace: Any, start_app: Any, red: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "ledger.sqlite"
    upgrade(file)
    workspace.ledger = SqlLedger.existing(file, workspace.clock)
    workspace.blobs = FileBlobs(tmp_path / "blobs")
    workspace.promote(workspace.register())
    client = start_app(workspace.parts())
    [receipts] = post_feedback(client, {"prediction": predicted(client, red), "label": "Phoma"})
    workspace.ledger.close()
    workspace.ledger = SqlLedger.existing(file, workspace.clock)
    [item] = feedback_records(workspace)
    workspace.ledger.close()
    assert (item.id, item.label, item.predicted_label) == (receipts["id"], "Phoma", "Miner")
    assert FileBlobs(tmp_path / "blobs").get(item.example) == red


def test_payloads_are_durable_before_labels(workspace: Any, start_app: Any, leaf: Leaf) -> None:
    workspace.blobs = Watching(workspace)
    workspace.promote(workspace.register())
    client = start_app(workspace.parts())
    rows = [{"payload": image(leaf((200 + n, 9, 9))), "label": "Phoma"} for n in range(3)]
    post_feedback(client, *rows)
    assert workspace.blobs.counts == [0, 0, 0]
    assert len(feedback_records(workspace)) == 3


def test_a_large_body_does_not_hold_up_the_others(client: Any) -> None:
    file = io.BytesIO()
    Image.effect_noise((1500, 1500), 90).convert("RGB").save(file, "PNG")
    body = json.dumps({"payload": image(file.getvalue()), "label": "Phoma"})
    head = {"content-type": "application/json"}
    slow = client.send("POST", "/v1/feedback", content=body, headers=head)
    assert client.request("GET", "/v1/live").status_code == 200
    assert slow.result(timeout=20).status_code == 200


def test_the_document_describes_one_and_many(client: Any) -> None:
    document = client.request("GET", "/openapi.json").json()
    body = document["paths"]["/v1/feedback"]["post"]["requestBody"]
    one, many = body["content"]["application/json"]["schema"]["anyOf"]
    assert one["required"] == ["label"]
    assert many["properties"]["feedback"]["maxItems"] == MAX_LABELS


def test_an_answer_of_another_server_can_be_spoken_of(
    client: Any, workspace: Any, red: bytes
) -> None:
    record = workspace.traffic.find(predicted(client, red))
    other = replace(record, id=str(uuid7()), server=str(uuid7()))
    workspace.traffic.append([other])
    assert (
        post_feedback(client, {"prediction": other.id, "label": "Phoma"})[0]["status"] == "pending"
    )


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ('{"prediction": "p1", "label": "Phoma", "label": "Miner"}', "label"),
        ('{"prediction": "p1", "label": "Phoma", "lab\\u0065l": "Miner"}', "label"),
        ('{"feedback": [{"prediction": "p1", "label": "a", "label": "b"}]}', "label"),
        ('{"feedback": [], "feedback": [{"prediction": "p1", "label": "b"}]}', "feedback"),
        ('{"payload": {"image": "AA==", "image": "AA=="}, "label": "b"}', "image"),
    ],
)
def test_a_key_that_stands_twice_is_named(client: Any, body: str, key: str) -> None:
    head = {"content-type": "application/json"}
    response = client.request("POST", "/v1/feedback", content=body, headers=head)
    assert response.status_code == 422
    assert f"The key '{key}' stands twice" in response.json()["error"]["message"]
