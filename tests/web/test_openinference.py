"""The Open Inference Protocol under /v2, held to the protocol's own document."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from fastapi import APIRouter

from tests import herds
from tests.web import tiny_text
from tidemill.codecs.codec import Payload
from tidemill.codecs.image import ImagePayload
from tidemill.codecs.table import TableCodec
from tidemill.codecs.text import TextPayload
from tidemill.domain.errors import BadPayload, InvalidRequest
from tidemill.recipes.routes import Routes, Server
from tidemill.web import openinference, recipe_server, reply
from tidemill.web.inference_payloads import estimate_ns, to_payloads
from tidemill.web.recipe_server import INLINE_READ_NS
from tidemill.web.tensors import BYTES, Tensor

DOCUMENT = yaml.safe_load(Path(__file__).with_name("open_inference_rest.yaml").read_text("utf-8"))
SCHEMAS = DOCUMENT["components"]["schemas"]
TYPES: dict[str, Any] = {"string": str, "integer": int, "boolean": bool, "number": (int, float)}
INFER = "/v2/models/coffee/infer"
LABELS = ("negative", "neutral", "positive")


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Does a value fit a schema of the protocol's document, which uses these words alone?"""
    assert not schema.keys() - {
        *("$ref", "anyOf", "type", "properties", "required", "items"),
        *("title", "description", "x-examples"),
    }
    if "$ref" in schema:
        return fits(value, SCHEMAS[schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return any(fits(value, each) for each in schema["anyOf"])
    if schema["type"] == "array":
        return isinstance(value, list) and all(fits(each, schema["items"]) for each in value)
    if schema["type"] == "object":
        return (
            isinstance(value, dict)
            and not set(schema.get("required", ())) - value.keys()
            and all(
                fits(value[name], each)
                for name, each in schema.get("properties", {}).items()
                if name in value
            )
        )
    fitting = isinstance(value, TYPES[schema["type"]])
    return fitting and (schema["type"] == "boolean" or not isinstance(value, bool))


def _no_routes(_: Server) -> Routes:
    return Routes(APIRouter())


def image_input(*payloads: bytes) -> dict[str, Any]:
    return {
        "name": "payload",
        "datatype": BYTES,
        "shape": [len(payloads)],
        "parameters": {"content_type": "base64"},
        "data": [base64.b64encode(payload).decode() for payload in payloads],
    }


def outputs_of(response: Any) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    return {row["name"]: row for row in response.json()["outputs"]}


def test_the_judge_of_schemas_refuses() -> None:
    schema = SCHEMAS["metadata_server_response"]
    assert fits({"name": "a", "version": "1", "extensions": []}, schema)
    assert not fits({"name": "a", "version": 1, "extensions": []}, schema)
    assert not fits({"name": "a"}, schema)
    assert not fits([1, [None]], SCHEMAS["tensor_data"])


def test_every_operation_of_the_document_is_answered_in_its_form(client: Any, red: bytes) -> None:
    requests = set()
    for template, operations in DOCUMENT["paths"].items():
        path = template.replace("${MODEL_NAME}", "coffee").replace("${MODEL_VERSION}", "v1")
        for method in {"get", "post"} & operations.keys():
            request = {"inputs": [image_input(red)], "id": "42"}
            body = {"json": request} if method == "post" else {}
            if method == "post":
                assert fits(request, SCHEMAS["inference_request"])
            response = client.request(method.upper(), path, **body)
            assert response.status_code == 200, response.text
            content = operations[method]["responses"]["200"].get("content")
            if content:
                assert fits(response.json(), content["application/json"]["schema"]), path
            requests.add((method, path))
    assert len(requests) == 6
    paths = client.request("GET", "/openapi.json").json()["paths"]
    for template in DOCUMENT["paths"]:
        ours = template.replace("${MODEL_NAME}", "{model}").replace("${MODEL_VERSION}", "{version}")
        assert ours in paths


def test_the_metadata_names_model_version_and_tensors(client: Any) -> None:
    for path in ("/v2", "/v2/"):
        body = client.request("GET", path).json()
        assert (body["name"], body["extensions"]) == ("tidemill", ["binary_tensor_data"])
    body = client.request("GET", "/v2/models/coffee").json()
    assert (body["name"], body["versions"]) == ("coffee", ["v1"])
    assert body["inputs"] == [{"name": "payload", "datatype": "BYTES", "shape": [-1]}]
    assert body["outputs"][1:] == [
        {"name": "disease_label", "datatype": "BYTES", "shape": [-1]},
        {"name": "disease_confidence", "datatype": "FP64", "shape": [-1]},
        {"name": "disease_probabilities", "datatype": "FP64", "shape": [-1, 3]},
        {"name": "remarks", "datatype": "BYTES", "shape": [-1]},
    ]


def test_the_answers_are_those_of_predict_and_in_the_log(
    client: Any, workspace: Any, leaf: Any
) -> None:
    images = [leaf((200, 0, 0)), leaf((0, 0, 200))]
    response = client.request("POST", INFER, json={"id": "7", "inputs": [image_input(*images)]})
    outputs = outputs_of(response)
    assert (response.json()["id"], response.json()["model_version"]) == ("7", "v1")
    assert outputs["disease_label"]["data"] == ["Miner", "Phoma"]
    files = [("file", ("a.png", each)) for each in images]
    entries = client.request("POST", "/v1/predict", files=files).json()["predictions"]
    shares = np.array(outputs["disease_probabilities"]["data"]).reshape(2, 3)
    classes = outputs["disease_probabilities"]["parameters"]["classes"]
    assert [dict(zip(classes, row, strict=True)) for row in shares.tolist()] == [
        entry["probabilities"] for entry in entries
    ]
    for id, payload in zip(outputs["prediction_id"]["data"], images, strict=True):
        record = workspace.traffic.find(id)
        assert (record.kind, record.payload, record.version) == ("live", payload, "v1")


def test_binary_in_and_out(client: Any, red: bytes) -> None:
    chunk = len(red).to_bytes(4, "little") + red
    row: dict[str, Any] = {"name": "payload", "datatype": "BYTES", "shape": [1]}
    row |= {"parameters": {"binary_data_size": len(chunk)}}
    wanted = [{"name": "disease_confidence", "parameters": {"binary_data": True}}]
    head = json.dumps({"inputs": [row], "outputs": wanted}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    response = client.request("POST", INFER, content=head + chunk, headers=headers)
    assert response.status_code == 200, response.text
    length = int(response.headers["Inference-Header-Content-Length"])
    [output] = json.loads(response.content[:length])["outputs"]
    assert output["parameters"] == {"binary_data_size": 8}
    [confidence] = np.frombuffer(response.content[length:], "<f8")
    files = {"file": ("a.png", red)}
    [entry] = client.request("POST", "/v1/predict", files=files).json()["predictions"]
    assert confidence == entry["confidence"]


def test_pixels_become_an_image_that_is_logged(client: Any, workspace: Any) -> None:
    pixels = np.full((1, 8, 8, 3), (0, 200, 0), np.uint8)
    row = {"name": "pixels", "datatype": "UINT8", "shape": [1, 8, 8, 3], "data": pixels.tolist()}
    outputs = outputs_of(client.request("POST", INFER, json={"inputs": [row]}))
    assert outputs["disease_label"]["data"] == ["Healthy"]
    record = workspace.traffic.find(outputs["prediction_id"]["data"][0])
    assert record.payload.startswith(b"\x89PNG")


def test_a_large_request_is_read_off_the_loop(
    client: Any, red: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe_server, "INLINE_READ_NS", 1)
    monkeypatch.setattr(reply, "INLINE_ANSWERS", 0)
    response = client.request("POST", INFER, json={"inputs": [image_input(red)]})
    assert outputs_of(response)["disease_label"]["data"] == ["Miner"]


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        ("/v2/models/tea/infer", {"inputs": [1]}, 404, "no model 'tea'"),
        ("/v2/models/coffee/versions/v9/infer", {"inputs": [1]}, 404, "'v9' is not served"),
        (INFER, [], 400, "The request does not fit"),
        (INFER, {"inputs": [1]}, 400, "does not fit"),
        (
            INFER,
            {"inputs": [{"name": "image_f32", "datatype": "FP32", "shape": [1], "data": [1]}]},
            400,
            "There is no input 'image_f32'. .* could not become examples",
        ),
        (INFER, {"inputs": [image_input(b"no image")]}, 400, "image"),
        (INFER, {"inputs": [image_input(*[b""] * 65)]}, 400, "65 payloads are too many"),
        (
            INFER,
            {"inputs": [image_input(b"")], "outputs": [{"name": "none"}]},
            400,
            "no output 'none'",
        ),
        ("/v2/none", {}, 404, "There is no route"),
        ("/v2/health/live", {}, 405, "does not take POST"),
    ],
)
def test_a_failure_has_the_shape_of_the_protocol(
    client: Any, path: str, body: Any, status: int, sentence: str
) -> None:
    response = client.request("POST", path, json=body)
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    assert fits(response.json(), SCHEMAS["inference_error_response"])
    assert re.search(sentence, response.json()["error"])


def test_without_a_model_nothing_is_ready(workspace: Any, start_app: Any) -> None:
    client = start_app(workspace.parts())
    assert client.request("GET", "/v2/health/live").status_code == 200
    for path in ("/v2/health/ready", "/v2/models/coffee/ready", "/v2/models/coffee"):
        response = client.request("GET", path)
        assert (response.status_code, set(response.json())) == (503, {"error"})


def test_a_log_that_fails_is_not_ready_here_either(client: Any) -> None:
    for path in ("/v2/health/ready", "/v2/models/coffee/ready"):
        assert client.request("GET", path).status_code == 200
    client.batcher._log_fault = "The traffic log is full."
    for path in ("/v2/health/ready", "/v2/models/coffee/ready"):
        response = client.request("GET", path)
        assert (response.status_code, "is full" in response.json()["error"]) == (503, True)


def test_inference_needs_the_scope(workspace: Any, start_app: Any, red: bytes) -> None:
    workspace.promote(workspace.register())
    client = start_app(workspace.parts(public_scopes="feedback"))
    for path in (INFER, INFER.replace("/infer", "/versions/v1/infer")):
        response = client.request("POST", path, json={"inputs": [image_input(red)]})
        assert (response.status_code, set(response.json())) == (401, {"error"})


def test_a_wrong_label_table_of_the_protocol_is_never_served(
    workspace: Any, start_app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = openinference.output_tensors

    def turned(*arguments: Any) -> list[Tensor]:
        names = {b"Miner": b"Phoma", b"Phoma": b"Miner"}
        return [
            Tensor(row.name, row.datatype, row.shape, [names.get(v, v) for v in row.values])
            if row.name == "disease_label"
            else row
            for row in true(*arguments)
        ]

    monkeypatch.setattr(openinference, "output_tensors", turned)
    workspace.promote(workspace.register())
    response = start_app(workspace.parts()).request("GET", "/v1/ready")
    assert response.status_code == 503
    assert "/v2/models/coffee/infer" in response.json()["error"]["message"]


def column(name: str, datatype: str, *values: Any) -> Tensor:
    cells = list(values) if datatype == BYTES else np.array(values)
    return Tensor(name, datatype, (len(values),), cells)


def table() -> type[Payload]:
    columns = [
        {"kind": "number", "name": "size"},
        {"kind": "category", "name": "form", "values": ["round", "flat"]},
    ]
    return TableCodec.from_config({"columns": columns}).payload


def test_columns_become_rows() -> None:
    inputs = [column("size", "FP64", 1.5, 2.0), column("form", BYTES, b"round", b"flat")]
    assert to_payloads(inputs, table(), 8) == [
        b'{"form":"round","size":1.5}',
        b'{"form":"flat","size":2.0}',
    ]
    assert to_payloads([column("text", BYTES, "ä".encode())], TextPayload, 8) == ["ä".encode()]


def empty(name: str, datatype: str, *shape: int) -> Tensor:
    return Tensor(name, datatype, shape, [] if datatype == BYTES else np.zeros(shape, np.uint8))


EMPTY: list[tuple[Callable[[], type[Payload]], Tensor]] = [
    (lambda: ImagePayload, empty("pixels", "UINT8", 0, 8, 8, 3)),
    (lambda: ImagePayload, empty("pixels", "UINT8", 0, 0, 0, 3)),
    (lambda: ImagePayload, empty("pixels", "UINT8", 2, 0, 8, 3)),
    (lambda: ImagePayload, empty("pixels", "UINT8", 2, 8, 0, 3)),
    (lambda: ImagePayload, empty("pixels", "UINT8", 2, 8, 8, 0)),
    (lambda: ImagePayload, empty("payload", BYTES, 0)),
    (lambda: ImagePayload, empty("image", BYTES, 0)),
    (lambda: TextPayload, empty("payload", BYTES, 0)),
    (lambda: TextPayload, empty("text", BYTES, 2, 0)),
    (table, empty("payload", BYTES, 0, 1)),
    (table, empty("size", "FP64", 0)),
    (table, empty("size", "FP64", 2, 0)),
]


@pytest.mark.parametrize(
    ("form", "inputs", "sentence"),
    [
        (table, [column("size", "FP64", 1.0), column("size", "FP64", 1.0)], "one name"),
        (table, [column("size", "FP64", 1.0), column("form", BYTES)], r"needs the shape \[1\]"),
        (table, [column("size", "FP64", 1.0), column("payload", BYTES, b"")], "stand alone"),
        (table, [column("payload", "FP64", 1.0)], "is BYTES, not FP64"),
        (table, [column("form", BYTES, b"\xff")], "no UTF-8"),
        (table, [column("pixels", "UINT8", 1)], "no input 'pixels'"),
        (lambda: ImagePayload, [column("pixels", "UINT8", 1)], "is UINT8"),
        (lambda: TextPayload, [column("text", "FP64", 1.0)], "text: Input should be"),
        (lambda: TextPayload, [Tensor("text", "FP64", (), np.array(1.0))], "has no shape"),
        (
            lambda: ImagePayload,
            [Tensor("pixels", "UINT8", (2, 2, 3), np.zeros((2, 2, 3), np.uint8))],
            "is UINT8",
        ),
        *((form, [tensor], "no payload|no pixels|needs the shape") for form, tensor in EMPTY),
        # Not two rows of the first two of six values.
        (table, [Tensor("size", "FP64", (2, 3), np.ones((2, 3)))], r"needs the shape \[2\]"),
    ],
)
def test_tensors_that_stand_for_no_payload_are_named(
    form: Callable[[], type[Payload]], inputs: list[Tensor], sentence: str
) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        to_payloads(inputs, form(), 8)
    wrong = Tensor("pixels", "UINT8", (1, 2, 2, 2), np.zeros((1, 2, 2, 2), np.uint8))
    with pytest.raises(BadPayload, match="is no image"):
        to_payloads([wrong], ImagePayload, 8)


def test_the_cost_counts_all_bytes_of_a_body() -> None:
    """Neither BYTES after the JSON nor pixels far behind its beginning are read on the loop."""
    body = b'{"inputs": []}' + bytes(10_000)
    assert estimate_ns(body, "14") > INLINE_READ_NS
    assert estimate_ns(body, None) > INLINE_READ_NS
    assert estimate_ns(body[:14], None) < INLINE_READ_NS
    with pytest.raises(InvalidRequest, match="larger than the body"):
        estimate_ns(body, "9" * 5_000)


def test_a_shape_or_header_out_of_all_bounds_is_refused(client: Any, red: bytes) -> None:
    headers = {"Inference-Header-Content-Length": "9" * 5_000}
    body = json.dumps({"inputs": [image_input(red)]})
    assert client.request("POST", INFER, content=body, headers=headers).status_code == 400
    for shape in ([2**62, 0, 8, 3], [2**30, 0, 2**30, 3], [], [1, 0, 8, 3], [0, 8, 8, 3]):
        row = {"name": "pixels", "datatype": "UINT8", "shape": shape, "data": []}
        response = client.request("POST", INFER, json={"inputs": [row]})
        assert response.status_code == 400, (shape, response.text)


def test_each_item_has_its_row(workspace: Any, start_app: Any) -> None:
    workspace.recipe = "herd"
    workspace.promote(workspace.enter(*herds.files()))
    client = start_app(workspace.parts(), _no_routes)
    rows = [herds.herd(150, 50).decode(), herds.herd(20, first=8).decode()]
    row = {"name": "payload", "datatype": BYTES, "shape": [2], "data": rows}
    response = client.request("POST", "/v2/models/herd/infer", json={"inputs": [row]})
    outputs = outputs_of(response)
    assert outputs["input_index"]["data"] == [0, 0, 1]
    assert outputs["item"]["data"] == ["a0", "a1", "a8"]
    assert outputs["kind_label"]["data"] == ["ox", "sheep", "sheep"]
    assert len(set(outputs["prediction_id"]["data"])) == 2


def test_a_text_is_sent_as_it_is_and_its_remarks_come_back(workspace: Any, start_app: Any) -> None:
    workspace.recipe = "sentiment"
    workspace.promote(workspace.enter(*tiny_text.files("sentiment", LABELS)))
    client = start_app(workspace.parts(), _no_routes)
    path = "/v2/models/sentiment/infer"
    texts = ["the firm says gamma", "says " * 40 + "alpha"]
    for name in ("payload", "text"):
        row = {"name": name, "datatype": BYTES, "shape": [2], "data": texts}
        outputs = outputs_of(client.request("POST", path, json={"inputs": [row]}))
        assert outputs["sentiment_label"]["data"][0] == LABELS[0]
        assert ["were judged" in remark for remark in outputs["remarks"]["data"]] == [False, True]
