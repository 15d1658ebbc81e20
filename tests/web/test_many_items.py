"""Payloads with many items over HTTP: answers by name, and feedback for each item."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi import APIRouter

from tests.herds import LABELS, TARGET, chances, files, golden, herd
from tidemill.bundle import Golden
from tidemill.domain.feedback import Feedback
from tidemill.domain.types import payload_id
from tidemill.loop.feedback import review
from tidemill.recipes.routes import Routes, Server
from tidemill.web.batcher import MAX_ITEMS
from tidemill.web.feedback import MAX_LABELS
from tidemill.web.reply import INLINE_ANSWERS

WEIGHTS = (150.0, 50.0, 101.0)

AppClient = Any


def plain(_: Server) -> Routes:
    """A recipe without its own routes."""
    return Routes(APIRouter())


@pytest.fixture
def client(workspace: Any, start_app: Any) -> AppClient:
    """The app, ready, serving a model of herds as v1."""
    workspace.recipe = "herd"
    workspace.promote(workspace.enter(*files()))
    return start_app(workspace.parts(), plain)


def predicted(client: AppClient, *payloads: bytes) -> list[dict[str, Any]]:
    body = {"instances": [json.loads(payload) for payload in payloads]}
    response = client.request("POST", "/v1/predict", json=body)
    assert response.status_code == 200, response.text
    answers: list[dict[str, Any]] = response.json()["predictions"]
    return answers


def post_feedback(client: AppClient, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    response = client.request("POST", "/v1/feedback", json={"feedback": list(rows)})
    assert response.status_code == 200, response.text
    result: list[dict[str, Any]] = response.json()["feedback"]
    return result


def refused(client: AppClient, row: dict[str, Any], status: int, code: str) -> dict[str, str]:
    response = client.request("POST", "/v1/feedback", json=row)
    error: dict[str, str] = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code), response.text
    return error


def feedback_records(workspace: Any) -> list[Feedback]:
    with workspace.ledger.begin(write=False) as unit:
        feedback: list[Feedback] = unit.feedback(limit=None)
    return feedback


def readings(client: AppClient) -> int:
    count: int = client.slots.state.champion.predictor.codec.readings
    return count


def test_a_model_whose_golden_samples_hold_is_served(client: AppClient) -> None:
    assert client.request("GET", "/v1/ready").json()["version"] == "v1"


def test_a_model_that_answers_one_item_for_another_is_not_served(
    workspace: Any, start_app: Any
) -> None:
    samples = golden()
    turned = [
        Golden(row.payload, other.labels, other.probabilities)
        for row, other in zip(samples, reversed(samples), strict=True)
    ]
    workspace.recipe = "herd"
    workspace.promote(workspace.enter(*files(turned)))
    error = start_app(workspace.parts(), plain).request("GET", "/v1/ready").json()["error"]
    assert "wrong on a golden sample" in error["message"]


def test_every_item_of_every_payload_has_its_entry(client: AppClient) -> None:
    answers = predicted(client, herd(*WEIGHTS), herd(20))
    assert [(row["index"], row["item"], row["label"]) for row in answers] == [
        (0, "a0", "ox"),
        (0, "a1", "sheep"),
        (0, "a2", "ox"),
        (1, "a0", "sheep"),
    ]
    assert len({row["id"] for row in answers}) == 2
    for row, weight in zip(answers, (*WEIGHTS, 20), strict=True):
        assert row["probabilities"] == pytest.approx(chances(weight), abs=1e-6)


def test_more_items_than_are_written_at_once_are_answered_all(client: AppClient) -> None:
    answers = predicted(client, herd(*[150.0] * (INLINE_ANSWERS + 1)))
    assert [row["item"] for row in answers] == [f"a{at}" for at in range(INLINE_ANSWERS + 1)]


def test_the_log_holds_answers_and_bins_of_all_items(client: AppClient, workspace: Any) -> None:
    answers = predicted(client, herd(*WEIGHTS))
    id = answers[0]["id"]
    record = client.request("GET", f"/v1/predictions/{id}").json()
    assert [(row["item"], row["label"]) for row in record["answers"]] == [
        (row["item"], row["label"]) for row in answers
    ]
    reference = client.slots.state.champion.predictor.bundle.reference
    assert len(workspace.traffic.find(id).bins) == len(WEIGHTS) * len(reference.names)


def test_a_label_of_one_item_keeps_that_item_alone_as_its_example(
    client: AppClient, workspace: Any
) -> None:
    id = predicted(client, herd(*WEIGHTS))[0]["id"]
    [result] = post_feedback(
        client, {"prediction": id, "item": "a2", "label": "sheep", "actor": "ana"}
    )
    part = herd(WEIGHTS[2], first=2)
    assert workspace.blobs.get(result["example"]) == part
    [item] = feedback_records(workspace)
    assert (item.prediction, item.example, item.item) == (id, payload_id(part), "a2")
    assert (item.label, item.predicted_label, item.target) == ("sheep", "ox", TARGET)


def test_labels_of_several_items_and_predictions_are_recorded_together(
    client: AppClient, workspace: Any
) -> None:
    first = predicted(client, herd(*WEIGHTS))[0]["id"]
    other = predicted(client, herd(*WEIGHTS, first=5))[0]["id"]
    rows = [
        {"prediction": first, "item": "a0", "label": "ox"},
        {"prediction": other, "item": "a6", "label": "sheep"},
        {"prediction": first, "item": "a1", "label": "ox"},
        {"prediction": first, "item": "a0", "label": "ox"},
    ]
    result = post_feedback(client, *rows)
    assert [row["repeated"] for row in result] == [False, False, False, True]
    parts = [herd(150, first=0), herd(50, first=6), herd(50, first=1)]
    assert [item.example for item in feedback_records(workspace)] == [
        payload_id(part) for part in parts
    ]


def test_a_payload_is_read_once_for_all_the_labels_of_its_items(
    client: AppClient, workspace: Any
) -> None:
    id = predicted(client, herd(*[150.0] * 2708))[0]["id"]
    before = readings(client)
    rows = [
        {"prediction": id, "item": f"a{at}", "label": LABELS[at % 2]} for at in range(MAX_LABELS)
    ]
    post_feedback(client, *rows)
    assert readings(client) == before + 1
    assert [item.item for item in feedback_records(workspace)] == [row["item"] for row in rows]


def test_the_item_may_be_left_out_where_there_is_one(client: AppClient, workspace: Any) -> None:
    id = predicted(client, herd(20, first=4))[0]["id"]
    post_feedback(client, {"prediction": id, "label": "ox"})
    assert [(item.item, item.predicted_label) for item in feedback_records(workspace)] == [
        ("a4", "sheep")
    ]


@pytest.mark.parametrize("item", [{}, {"item": ""}, {"item": "a9"}])
def test_an_item_without_answer_is_refused(
    client: AppClient, workspace: Any, item: dict[str, str]
) -> None:
    id = predicted(client, herd(*WEIGHTS))[0]["id"]
    error = refused(client, {"prediction": id, "label": "ox", **item}, 422, "invalid")
    assert f"no answer about item {item.get('item', '')!r} of {TARGET}" in error["message"]
    assert f"/v1/predictions/{id}" in error["hint"]
    assert feedback_records(workspace) == []


def test_a_payload_of_one_item_brings_its_label_and_counts_as_that_item(
    client: AppClient, workspace: Any
) -> None:
    """In any spelling of its bytes, and by payload or by prediction."""
    spaced = json.loads(herd(20, first=4))
    post_feedback(client, {"payload": spaced, "label": "ox", "actor": "ana"})
    id = predicted(client, herd(150, 20, first=3))[0]["id"]
    [result] = post_feedback(
        client, {"prediction": id, "item": "a4", "label": "ox", "actor": "ana"}
    )
    assert (result["repeated"], result["example"]) == (True, payload_id(herd(20, first=4)))
    assert [item.item for item in feedback_records(workspace)] == ["a4"]


def test_two_labels_of_one_item_contradict_each_other(client: AppClient, workspace: Any) -> None:
    """The same animal with another weight is another example of the same item."""
    id = predicted(client, herd(150, 20, first=3))[0]["id"]
    post_feedback(client, {"prediction": id, "item": "a4", "label": "ox"})
    post_feedback(client, {"payload": json.loads(herd(99, first=4)), "label": "sheep"})
    assert len({item.example for item in feedback_records(workspace)}) == 2
    with workspace.ledger.begin() as unit:
        at = workspace.clock.now()
        review(unit, "accept_unless_suspicious", actor="engine", at=at, limit=9)
    assert [(item.item, item.status) for item in feedback_records(workspace)] == [
        ("a4", "rejected")
    ] * 2


def test_more_items_than_one_request_may_ask_for_are_refused(client: AppClient) -> None:
    part = herd(*[150.0] * (MAX_ITEMS // 4)).decode()
    body = f'{{"instances":[{",".join([part] * 4 + [herd(20).decode()])}]}}'
    headers = {"content-type": "application/json"}
    response = client.request("POST", "/v1/predict", content=body, headers=headers)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (422, "invalid")
    assert error["message"] == "200,001 items are too many for one request; at most 200,000."


def test_a_payload_of_several_items_needs_an_answer_first(
    client: AppClient, workspace: Any
) -> None:
    row = {"payload": json.loads(herd(*WEIGHTS)), "label": "ox"}
    error = refused(client, row, 422, "invalid")
    assert "has 3 items" in error["message"]
    assert "/v1/predict first" in error["hint"]
    assert feedback_records(workspace) == []


def test_an_answer_of_the_previous_version_is_cut_by_its_own_codec(
    client: AppClient, workspace: Any
) -> None:
    id = predicted(client, herd(*WEIGHTS))[0]["id"]
    workspace.promote(workspace.enter(*files(year=2)))
    client.slots.refresh()
    state = client.slots.state
    codecs = [slot.predictor.codec for slot in (state.champion, state.previous)]
    before = [codec.readings for codec in codecs]
    post_feedback(client, {"prediction": id, "item": "a1", "label": "ox"})
    assert [codec.year for codec in codecs] == [2, 1]
    assert [codec.readings for codec in codecs] == [before[0], before[1] + 1]


def test_an_item_of_an_unloaded_version_takes_no_label(client: AppClient, workspace: Any) -> None:
    id = predicted(client, herd(*WEIGHTS))[0]["id"]
    for year in (2, 3):
        workspace.promote(workspace.enter(*files(year=year)))
        client.slots.refresh()
    row = {"prediction": id, "item": "a1", "label": "ox"}
    error = refused(client, row, 409, "conflict")
    assert "v1 is not loaded any more, and only it knows the item 'a1'" in error["message"]
    assert "label of the new prediction" in error["hint"]
    assert feedback_records(workspace) == []


def test_the_openapi_document_has_the_payload(client: AppClient) -> None:
    document = json.dumps(client.request("GET", "/openapi.json").json())
    assert "animals" in document
