"""Texts through the server's own routes: answers, refusals and remarks."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi import APIRouter

from tests.web import tiny_text
from tidemill.recipes.routes import Routes, Server

LABELS = ("negative", "neutral", "positive")
SAID = tiny_text.text(2, 3)
MOST = 1_000_000
"""The codec's default limit on the bytes of a text."""

AppClient = Any
Sent = Callable[[AppClient, bytes], Any]


def plain(_: Server) -> Routes:
    """A recipe without its own routes."""
    return Routes(APIRouter())


@pytest.fixture
def client(workspace: Any, start_app: Any) -> AppClient:
    """The app, ready, serving a text model."""
    workspace.recipe = "text"
    workspace.promote(workspace.enter(*tiny_text.files("tone", LABELS)))
    return start_app(workspace.parts(), plain)


def as_json(client: AppClient, payload: bytes) -> Any:
    return client.request("POST", "/v1/predict", json={"text": payload.decode()})


def as_many(client: AppClient, payload: bytes) -> Any:
    return client.request("POST", "/v1/predict", json={"instances": [{"text": payload.decode()}]})


def as_file(client: AppClient, payload: bytes) -> Any:
    return client.request("POST", "/v1/predict", files={"file": ("a.txt", payload)})


def refused(response: Any, status: int, code: str) -> str:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error["code"] == code
    message: str = error["message"]
    return message


def test_a_text_model_passes_its_check_and_serves(client: AppClient) -> None:
    assert client.request("GET", "/v1/ready").json() == {
        "ready": True,
        "version": "v1",
        "fault": "",
    }


@pytest.mark.parametrize("send", [as_json, as_many, as_file])
def test_every_form_gets_the_same_answer(client: AppClient, workspace: Any, send: Sent) -> None:
    [entry] = send(client, SAID).json()["predictions"]
    assert (entry["target"], entry["item"], entry["label"]) == ("tone", "", "positive")
    assert entry["probabilities"] == pytest.approx(tiny_text.chances(2, 3, LABELS), abs=1e-6)
    assert "remarks" not in entry, "there is nothing to say"
    assert workspace.traffic.find(entry["id"]).payload == SAID


def test_texts_of_unequal_length_at_once_get_their_own_answers(client: AppClient) -> None:
    """Those nearest in length run together, not those that came together."""
    rows = [(at % 3, at * 5 % 15) for at in range(60)]
    with ThreadPoolExecutor(20) as pool:
        responses = [*pool.map(lambda row: as_json(client, tiny_text.text(*row)), rows)]
    for row, response in zip(rows, responses, strict=True):
        [entry] = response.json()["predictions"]
        assert entry["label"] == LABELS[row[0]]
        expected = tiny_text.chances(*row, LABELS)
        assert entry["probabilities"] == pytest.approx(expected, abs=1e-6)


def test_texts_of_unequal_length_in_one_request_do_not_touch_each_other(client: AppClient) -> None:
    rows = [(at, fillers) for fillers in (0, 5, 2, 11) for at in (2, 0, 1)]
    texts = [{"text": tiny_text.text(*row).decode()} for row in rows]
    result = client.request("POST", "/v1/predict", json={"instances": texts}).json()["predictions"]
    assert [entry["label"] for entry in result] == [LABELS[at] for at, _ in rows]
    for row, entry in zip(rows, result, strict=True):
        expected = tiny_text.chances(*row, LABELS)
        assert entry["probabilities"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("send", [as_json, as_many, as_file])
@pytest.mark.parametrize("payload", [b"", b" \t\r\n", b"\x00\x1b"])
def test_a_text_without_a_word_is_refused(client: AppClient, send: Sent, payload: bytes) -> None:
    assert "empty" in refused(send(client, payload), 400, "bad_payload")


@pytest.mark.parametrize("payload", [b"caf\xe9", b"\xff\xfea\x00", b"\xed\xa0\x80"])
def test_a_file_that_is_not_utf8_is_refused(client: AppClient, payload: bytes) -> None:
    assert "not UTF-8" in refused(as_file(client, payload), 400, "bad_payload")


@pytest.mark.parametrize("body", [b'{"text": "caf\xe9"}', b'{"text": "\\ud800"}'])
def test_json_that_is_not_utf8_is_refused(client: AppClient, body: bytes) -> None:
    head = {"content-type": "application/json"}
    response = client.request("POST", "/v1/predict", content=body, headers=head)
    assert "not JSON" in refused(response, 422, "invalid")


@pytest.mark.parametrize("body", [{"text": None}, {"text": 3}, {"text": ["a"]}, {"texts": "a"}])
def test_json_of_another_form_is_refused(client: AppClient, body: dict[str, Any]) -> None:
    assert refused(client.request("POST", "/v1/predict", json=body), 422, "invalid").startswith(
        "text"
    )


@pytest.mark.parametrize("send", [as_json, as_many, as_file])
def test_control_characters_are_blanks_and_stay_in_the_log(
    client: AppClient, workspace: Any, send: Sent
) -> None:
    payload = SAID.replace(b" ", b"\x00\x07\n")
    [entry] = send(client, payload).json()["predictions"]
    assert entry["probabilities"] == pytest.approx(tiny_text.chances(2, 3, LABELS), abs=1e-6)
    assert workspace.traffic.find(entry["id"]).payload == payload


@pytest.mark.parametrize("send", [as_json, as_many, as_file])
def test_a_megabyte_is_cut_with_a_remark_and_more_is_refused(client: AppClient, send: Sent) -> None:
    text = (SAID + b" the" * (MOST // 4))[:MOST]
    assert len(text) == MOST
    [entry] = send(client, text).json()["predictions"]
    assert entry["label"] == "positive"
    [remark] = entry["remarks"]
    assert "were judged" in remark
    assert f"{MOST:,}" in refused(send(client, text + b"x"), 400, "bad_payload")


def test_remarks_belong_to_their_own_payload(client: AppClient, workspace: Any) -> None:
    long, short = tiny_text.text(0, 40).decode(), SAID.decode()
    body = {"instances": [{"text": short}, {"text": long}, {"text": short}]}
    result = client.request("POST", "/v1/predict", json=body).json()["predictions"]
    assert ["remarks" in entry for entry in result] == [False, True, False]
    again = client.request("GET", f"/v1/predictions/{result[1]['id']}").json()
    assert "remarks" not in str(again), "they follow from the payload"


def test_the_document_describes_texts_and_remarks(client: AppClient) -> None:
    document = client.request("GET", "/openapi.json").json()
    schemas = document["components"]["schemas"]
    assert schemas["TextPayload"]["required"] == ["text"]
    assert schemas["AnswerEntry"]["properties"]["remarks"]["type"] == "array"
    assert "remarks" not in schemas["AnswerEntry"]["required"]
    content = document["paths"]["/v1/predict"]["post"]["requestBody"]["content"]
    for example in content["application/json"]["examples"].values():
        assert client.request("POST", "/v1/predict", json=example["value"]).status_code == 200


def test_feedback_may_bring_a_text(client: AppClient, workspace: Any) -> None:
    body = {"payload": {"text": SAID.decode()}, "label": "neutral"}
    [result] = client.request("POST", "/v1/feedback", json=body).json()["feedback"]
    assert workspace.blobs.get(result["example"]) == SAID
    bad = client.request("POST", "/v1/feedback", json={**body, "payload": {"text": " "}})
    assert "empty" in refused(bad, 400, "bad_payload")
