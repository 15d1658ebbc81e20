"""The OpenAPI document and the page of routes."""

from __future__ import annotations

import base64
import json
from typing import Any

from tidemill.web.json_body import parse_payloads


def body_of(client: Any) -> dict[str, Any]:
    document = client.request("GET", "/openapi.json").json()
    content: dict[str, Any] = document["paths"]["/v1/predict"]["post"]["requestBody"]["content"]
    return content


def test_predict_takes_json_and_files(client: Any) -> None:
    content = body_of(client)
    assert set(content) == {"application/json", "multipart/form-data"}
    one, many = content["application/json"]["schema"]["anyOf"]
    assert one == {"$ref": "#/components/schemas/ImagePayload"}
    assert many["properties"]["instances"]["items"] == one
    assert many["properties"]["instances"]["maxItems"] == 64
    files = content["multipart/form-data"]["schema"]
    assert files["properties"]["file"]["items"] == {"type": "string", "format": "binary"}
    schemas = client.request("GET", "/openapi.json").json()["components"]["schemas"]
    assert schemas["ImagePayload"]["required"] == ["image"]


def test_the_examples_are_answered(client: Any) -> None:
    for example in body_of(client)["application/json"]["examples"].values():
        response = client.request("POST", "/v1/predict", json=example["value"])
        assert response.status_code == 200, response.text


def test_without_a_model_a_payload_is_any_object(workspace: Any, start_app: Any) -> None:
    content = body_of(start_app(workspace.parts()))
    assert content["application/json"]["schema"]["anyOf"][0] == {"type": "object"}


def test_the_answer_is_described(client: Any) -> None:
    document = client.request("GET", "/openapi.json").json()
    answer = document["paths"]["/v1/predict"]["post"]["responses"]["200"]
    assert answer["content"]["application/json"]["schema"]["$ref"].endswith("/Predictions")
    result = client.request(
        "POST",
        "/v1/predict",
        json=body_of(client)["application/json"]["examples"]["one"]["value"],
    ).json()
    assert set(result["predictions"][0]) == set(
        document["components"]["schemas"]["AnswerEntry"]["required"]
    )


def test_docs_lists_every_route_and_asks_nothing_of_others(client: Any) -> None:
    page = client.request("GET", "/docs").text
    for path in client.request("GET", "/openapi.json").json()["paths"]:
        assert f"<code>{path}</code>" in page
    assert "openapi.json" in page
    assert "://" not in page
    assert "src=" not in page


def test_a_json_payload_is_parsed_by_the_codecs_own_schema(client: Any, red: bytes) -> None:
    codec = client.slots.state.champion.predictor.codec
    body = json.dumps({"image": base64.b64encode(red).decode()}).encode()
    assert parse_payloads(codec, body, 4) == [red]
