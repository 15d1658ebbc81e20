"""Texts through the server's own routes: what is answered, what is refused, and what is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter

from tests.web import tiny_text
from tidemill.recipes.routes import Routes, Server

LABELS = ("negative", "neutral", "positive")
SAID = tiny_text.text(2, 3)
MOST = 1_000_000
"""Bytes of a text, as the codec has them where nothing else is asked for."""

Door = Any
Sent = Callable[[Door, bytes], Any]


def plain(_: Server) -> Routes:
    """A recipe without routes of its own."""
    return Routes(APIRouter())


@pytest.fixture
def door(workspace: Any, opened: Any) -> Door:
    """The app, ready, serving a text model."""
    workspace.recipe = "text"
    workspace.promote(workspace.enter(*tiny_text.files("tone", LABELS)))
    return opened(workspace.serving(), plain)


def as_json(door: Door, payload: bytes) -> Any:
    return door.ask("POST", "/v1/predict", json={"text": payload.decode()})


def as_many(door: Door, payload: bytes) -> Any:
    return door.ask("POST", "/v1/predict", json={"instances": [{"text": payload.decode()}]})


def as_file(door: Door, payload: bytes) -> Any:
    return door.ask("POST", "/v1/predict", files={"file": ("a.txt", payload)})


def refused(response: Any, status: int, code: str) -> str:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error["code"] == code
    message: str = error["message"]
    return message


def test_a_text_model_is_proved_and_serves(door: Door) -> None:
    assert door.ask("GET", "/v1/ready").json() == {"ready": True, "version": "v1", "fault": ""}


@pytest.mark.parametrize("send", [as_json, as_many, as_file])
def test_every_form_gets_the_same_answer(door: Door, workspace: Any, send: Sent) -> None:
    [entry] = send(door, SAID).json()["predictions"]
    assert (entry["target"], entry["item"], entry["label"]) == ("tone", "", "positive")
    assert entry["probabilities"] == pytest.approx(tiny_text.chances(2, 3, LABELS), abs=1e-6)
    assert "remarks" not in entry, "there is nothing to say"
    assert workspace.traffic.find(entry["id"]).payload == SAID


def test_texts_of_unequal_length_in_one_request_do_not_touch_each_other(door: Door) -> None:
    rows = [(at, fillers) for fillers in (0, 5, 2, 11) for at in (2, 0, 1)]
    texts = [{"text": tiny_text.text(*row).decode()} for row in rows]
    told = door.ask("POST", "/v1/predict", json={"instances": texts}).json()["predictions"]
    assert [entry["label"] for entry in told] == [LABELS[at] for at, _ in rows]
    for row, entry in zip(rows, told, strict=True):
        wanted = tiny_text.chances(*row, LABELS)
        assert entry["probabilities"] == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("send", [as_json, as_many, as_file])
@pytest.mark.parametrize("payload", [b"", b" \t\r\n", b"\x00\x1b"])
def test_a_text_without_a_word_is_refused(door: Door, send: Sent, payload: bytes) -> None:
    assert "empty" in refused(send(door, payload), 400, "bad_payload")


@pytest.mark.parametrize("payload", [b"caf\xe9", b"\xff\xfea\x00", b"\xed\xa0\x80"])
def test_a_file_that_is_not_utf8_is_refused(door: Door, payload: bytes) -> None:
    assert "not UTF-8" in refused(as_file(door, payload), 400, "bad_payload")


@pytest.mark.parametrize("body", [b'{"text": "caf\xe9"}', b'{"text": "\\ud800"}'])
def test_json_that_is_not_utf8_is_refused(door: Door, body: bytes) -> None:
    head = {"content-type": "application/json"}
    response = door.ask("POST", "/v1/predict", content=body, headers=head)
    assert "not JSON" in refused(response, 422, "invalid")


@pytest.mark.parametrize("body", [{"text": None}, {"text": 3}, {"text": ["a"]}, {"texts": "a"}])
def test_json_of_another_form_is_refused(door: Door, body: dict[str, Any]) -> None:
    assert refused(door.ask("POST", "/v1/predict", json=body), 422, "invalid").startswith("text")


@pytest.mark.parametrize("send", [as_json, as_many, as_file])
def test_control_characters_are_blanks_and_kept_in_the_log(
    door: Door, workspace: Any, send: Sent
) -> None:
    payload = SAID.replace(b" ", b"\x00\x07\n")
    [entry] = send(door, payload).json()["predictions"]
    assert entry["probabilities"] == pytest.approx(tiny_text.chances(2, 3, LABELS), abs=1e-6)
    assert workspace.traffic.find(entry["id"]).payload == payload


@pytest.mark.parametrize("send", [as_json, as_many, as_file])
def test_a_megabyte_is_read_in_part_and_said_to_be_and_more_is_refused(
    door: Door, send: Sent
) -> None:
    text = (SAID + b" the" * (MOST // 4))[:MOST]
    assert len(text) == MOST
    [entry] = send(door, text).json()["predictions"]
    assert entry["label"] == "positive"
    [remark] = entry["remarks"]
    assert "were judged" in remark
    assert f"{MOST:,}" in refused(send(door, text + b"x"), 400, "bad_payload")


def test_remarks_belong_to_their_own_payload(door: Door, workspace: Any) -> None:
    long, short = tiny_text.text(0, 40).decode(), SAID.decode()
    body = {"instances": [{"text": short}, {"text": long}, {"text": short}]}
    told = door.ask("POST", "/v1/predict", json=body).json()["predictions"]
    assert ["remarks" in entry for entry in told] == [False, True, False]
    again = door.ask("GET", f"/v1/predictions/{told[1]['id']}").json()
    assert "remarks" not in str(again), "they follow from the payload"


def test_the_document_describes_texts_and_remarks(door: Door) -> None:
    document = door.ask("GET", "/openapi.json").json()
    schemas = document["components"]["schemas"]
    assert schemas["TextPayload"]["required"] == ["text"]
    assert schemas["Entry"]["properties"]["remarks"]["type"] == "array"
    assert "remarks" not in schemas["Entry"]["required"]
    content = document["paths"]["/v1/predict"]["post"]["requestBody"]["content"]
    for example in content["application/json"]["examples"].values():
        assert door.ask("POST", "/v1/predict", json=example["value"]).status_code == 200


def test_feedback_may_bring_a_text(door: Door, workspace: Any) -> None:
    body = {"payload": {"text": SAID.decode()}, "label": "neutral"}
    [told] = door.ask("POST", "/v1/feedback", json=body).json()["feedback"]
    assert workspace.blobs.get(told["example"]) == SAID
    bad = door.ask("POST", "/v1/feedback", json={**body, "payload": {"text": " "}})
    assert "empty" in refused(bad, 400, "bad_payload")
