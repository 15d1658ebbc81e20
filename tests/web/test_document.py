"""The OpenAPI document and the page of routes."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

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


WITHOUT_BODY = {"/v1/feedback/import"}


def test_every_operation_is_described(client: Any) -> None:
    document = client.request("GET", "/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            responses = operation["responses"]
            success = [row for status, row in responses.items() if status < "300"]
            assert success, path
            for row in success:
                assert all("schema" in kind for kind in row["content"].values()), path
                assert not any(kind["schema"] == {} for kind in row["content"].values()), path
            assert {"400", "408", "413", "415", "431", "503"} <= set(responses), path
            assert ("422" in responses) != path.startswith("/v2/"), path
            if method == "post":
                assert path in WITHOUT_BODY or operation["requestBody"]["content"], path
                assert "504" in responses, path
            if "{" in path:
                assert "404" in responses, path


def test_an_operation_names_the_keys_that_it_takes(workspace: Any, start_app: Any) -> None:
    workspace.promote(workspace.register())
    secured = {}
    for scopes in ("predict", ""):
        client = start_app(workspace.parts(public_scopes=scopes))
        document = client.app.state.apidocument.build()
        assert set(document["components"]["securitySchemes"]) == {"bearer", "basic"}
        posts = {path: row["post"] for path, row in document["paths"].items() if "post" in row}
        secured[scopes] = {path: {} in row["security"] for path, row in posts.items()}
        assert document["paths"]["/v1/live"]["get"]["security"] == []
    assert secured["predict"]["/v1/predict"]
    assert secured["predict"]["/predict"]
    assert not secured["predict"]["/v1/feedback"]
    assert not any(secured[""].values())


def test_the_document_is_written_once_per_bundle(client: Any, workspace: Any) -> None:
    builds = 0
    document = client.app.state.apidocument
    build = document.build

    def count_builds() -> Any:
        nonlocal builds
        builds += 1
        return build()

    document.build = count_builds
    first = [client.request("GET", "/openapi.json").content for _ in range(5)]
    assert (builds, len(set(first))) == (1, 1)
    workspace.promote(workspace.register(sharpness=3.0))
    client.slots.refresh()
    for _ in range(5):
        client.request("GET", "/openapi.json")
        client.request("GET", "/docs")
    assert builds == 2


def test_clients_that_come_together_wait_for_one_document(client: Any) -> None:
    waiting = [client.send("GET", "/openapi.json") for _ in range(20)]
    assert len({reply.result(timeout=60).content for reply in waiting}) == 1


def test_every_operation_names_the_headers_that_it_reads(client: Any) -> None:
    document = client.request("GET", "/openapi.json").json()
    named = document["components"]["parameters"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            rows = [row["$ref"] for row in operation["parameters"] if "$ref" in row]
            headers = {named[row.rpartition("/")[2]]["name"] for row in rows}
            assert headers == {"X-Request-Timeout", "X-Request-Id", "traceparent"}, path
            response = client.request(method, path, headers={"X-Request-Timeout": "soon"})
            assert str(response.status_code) in operation["responses"], path
            # The key comes first.
            refused = {400 if path.startswith("/v2/") else 422, *([401] if method != "get" else [])}
            assert response.status_code in refused, path


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"content-encoding": "br"}, b"x", 415),
        ({"content-encoding": "gzip"}, b"x", 422),
        ({"content-type": "application/json; charset=latin-1"}, b"{}", 415),
        ({"content-type": "multipart/form-data; boundary=b"}, b"no form", 400),
        ({"content-type": "application/json"}, b" " * (33 << 20), 413),
    ],
)
def test_a_body_that_a_get_brings_fails_as_the_document_says(
    client: Any, headers: dict[str, str], content: bytes, status: int
) -> None:
    document = client.request("GET", "/openapi.json").json()
    for path in ("/v1/live", "/v1/info", "/v1/events", "/v2/health/live"):
        response = client.request("GET", path, content=content, headers=headers)
        expected = 400 if path.startswith("/v2/") and status == 422 else status
        assert response.status_code == expected, path
        assert str(expected) in document["paths"][path]["get"]["responses"], path
