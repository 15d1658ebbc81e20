"""Requests and responses of the Open Inference Protocol, as bytes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tidemill.domain.errors import InvalidRequest
from tidemill.web.tensors import (
    BYTES,
    DTYPES,
    InferenceCall,
    Tensor,
    read_call,
    require_outputs,
    write_response,
)


def call(*inputs: dict[str, Any], data: bytes = b"", **more: Any) -> InferenceCall:
    head = json.dumps({"inputs": list(inputs), **more}).encode()
    return read_call(head + data, str(len(head)) if data else None)


def tensor(datatype: str = "FP32", **more: Any) -> dict[str, Any]:
    return {"name": "x", "datatype": datatype, "shape": [2]} | more


def test_json_is_read_flat_or_nested() -> None:
    [flat] = call(tensor(shape=[2, 2], data=[1, 2.5, 3, 4])).inputs
    [nested] = call(tensor(shape=[2, 2], data=[[1, 2.5], [3, 4]])).inputs
    assert flat.values.tolist() == nested.values.tolist() == [[1.0, 2.5], [3.0, 4.0]]
    assert call(tensor(BYTES, data=["ä", ""])).inputs[0].values == ["ä".encode(), b""]
    encoded = tensor(BYTES, data=["AAE=", ""], parameters={"content_type": "base64"})
    assert call(encoded).inputs[0].values == [b"\0\1", b""]


def test_a_structure_ends_at_its_first_misfit() -> None:
    """A parser without a type builds millions of lists from such a body, before anybody judges."""
    lists = b"[" + b"[]," * 1_000_000 + b"[]]"
    head = b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": '
    with pytest.raises(InvalidRequest, match="too many elements"):
        read_call(head + lists + b"}]}", None)
    texts = head.replace(b"FP32", b"BYTES") + b"[" + b'"",' * 1_000_000 + b'""]}]}'
    with pytest.raises(InvalidRequest, match="too many elements"):
        read_call(texts, None)
    for body in (b'{"inputs": ' + b"[" * 9_000_000, b'{"inputs": ' + lists + b"}"):
        with pytest.raises(InvalidRequest, match="does not fit"):
            read_call(body, None)
    with pytest.raises(InvalidRequest, match=r"not JSON|does not fit"):
        read_call(head + b"[" * 1_000_000, None)


@pytest.mark.parametrize("datatype", DTYPES)
def test_binary_holds_every_datatype(datatype: str) -> None:
    values = np.array([0, 1], DTYPES[datatype])
    size = {"binary_data_size": values.nbytes}
    [first, second] = call(
        tensor(datatype, parameters=size),
        tensor(datatype, name="y", parameters=size),
        data=values.tobytes() + values[::-1].tobytes(),
    ).inputs
    assert (first.values.tolist(), second.values.tolist()) == ([0, 1], [1, 0])


def test_binary_bytes_have_their_lengths() -> None:
    data = b"\3\0\0\0abc\0\0\0\0"
    [row] = call(tensor(BYTES, parameters={"binary_data_size": len(data)}), data=data).inputs
    assert row.values == [b"abc", b""]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("x", "does not fit: Expected `object`"),
        (tensor("FP8", data=[1, 2]), "no known datatype"),
        (tensor(shape=[-2], data=[1, 2]), r"does not fit: .*shape"),
        (tensor(shape=[True], data=[1]), r"does not fit: .*shape"),
        (tensor(shape=[1] * 9, data=[1]), r"does not fit: .*shape"),
        (tensor(shape=[3], data=[1, 2]), "has 2 elements, and its shape 3"),
        (tensor(), "needs 'data', or binary data"),
        (tensor(data=[1, 2], parameters={"binary_data_size": 0}), "and not both"),
        (tensor(parameters={"binary_data_size": 1}), "is incomplete"),
        (tensor(parameters={"binary_data_size": -1}), "is incomplete"),
        (tensor(parameters={"binary_data_size": "1"}), r"does not fit: .*binary_data_size"),
        (tensor(shape=[], data=[1]), r"does not fit: .*shape"),
        (tensor(shape=[2**62, 0, 8, 3], data=[]), r"does not fit: .*shape"),
        (tensor(shape=[2**30, 0, 2**30, 2**30], data=[]), "shape .* is too large"),
        (tensor("FP16", data=[1, 1e30]), "does not fit FP16"),
        (tensor(parameters=[1], data=[1, 2]), "does not fit: .*parameters"),
        (tensor(data="12"), "does not fit: Expected `array`"),
        (tensor(data=[[1], 2]), "does not fit: Expected `array`"),
        (tensor(data=["1", "2"]), "does not fit: Expected `float`"),
        (tensor("INT8", data=[1, 300]), "does not fit INT8"),
        (tensor("INT8", data=[1, True]), "does not fit: Expected `int`"),
        (tensor("BOOL", data=[1, 0]), "does not fit: Expected `bool`"),
        (tensor(BYTES, data=[1, 2]), "does not fit: Expected `str`"),
        (tensor(BYTES, data=["?", ""], parameters={"content_type": "base64"}), "is no base64"),
    ],
)
def test_a_malformed_tensor_is_named(row: Any, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        call(row)


@pytest.mark.parametrize(
    ("body", "length", "sentence"),
    [
        (b"{", None, "is not JSON"),
        (b"[]", None, "does not fit: Expected `object`"),
        (b"{}", None, "does not fit: .*inputs"),
        (b'{"inputs": []}', None, "does not fit: .*length >= 1"),
        (b'{"id": 1, "inputs": [1]}', None, "does not fit"),
        (b"{}", "x", "is no number"),
        (b"{}", "3", "is larger than the body"),
        (b"{}", "9" * 5_000, "is larger than the body"),
        (b'{"inputs": [{}], "a": 1}??', "8", "is not JSON"),
    ],
)
def test_a_malformed_request_is_refused(body: bytes, length: str | None, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        read_call(body, length)


def test_all_bytes_belong_to_a_tensor() -> None:
    size = {"binary_data_size": 8}
    with pytest.raises(InvalidRequest, match="1 bytes belong to no tensor"):
        call(tensor(parameters=size), data=bytes(9))
    with pytest.raises(InvalidRequest, match="ends inside an element"):
        call(tensor(parameters={"binary_data_size": 7}), data=bytes(7))
    for data in (b"\3\0\0\0ab", b"\3\0", b"\xff\xff\xff\xff"):
        row = tensor(BYTES, parameters={"binary_data_size": len(data)})
        with pytest.raises(InvalidRequest, match="ends inside an element"):
            call(row, data=data)


def test_elements_of_bytes_end_with_the_shape() -> None:
    data = bytes(4 * 1_000_000)
    row = tensor(BYTES, parameters={"binary_data_size": len(data)})
    with pytest.raises(InvalidRequest, match="has more elements than its shape, 2"):
        call(row, data=data)


def test_parameters_that_nobody_reads_are_left_alone() -> None:
    for parameters in (None, {}, {"priority": {"level": [1]}, "content_type": None}):
        outputs = [{"name": "label", "parameters": parameters}]
        row = tensor(data=[1, 2], parameters=parameters)
        read = call(row, outputs=outputs, parameters=parameters)
        assert (read.inputs[0].values.tolist(), read.outputs) == ([1, 2], {"label": False})


def test_outputs_are_chosen_and_written() -> None:
    outputs = [
        Tensor("label", BYTES, (2,), [b"a", b"bc"]),
        Tensor("share", "FP64", (2, 1), np.array([[0.5], [1.0]]), {"classes": ["z"]}),
    ]
    row = tensor(data=[1, 2])
    body, length = write_response({"model_name": "m"}, outputs, call(row))
    assert (json.loads(body), length) == (
        {
            "model_name": "m",
            "outputs": [
                {"name": "label", "datatype": BYTES, "shape": [2], "data": ["a", "bc"]},
                {
                    "name": "share",
                    "datatype": "FP64",
                    "shape": [2, 1],
                    "data": [0.5, 1.0],
                    "parameters": {"classes": ["z"]},
                },
            ],
        },
        None,
    )
    wanted = [{"name": "share", "parameters": {"binary_data": True}}, {"name": "label"}]
    body, length = write_response({}, outputs, call(row, outputs=wanted))
    head = json.loads(body[:length])
    assert [each["name"] for each in head["outputs"]] == ["share", "label"]
    assert head["outputs"][0]["parameters"] == {"classes": ["z"], "binary_data_size": 16}
    assert np.frombuffer(body[length:], "<f8").tolist() == [0.5, 1.0]
    every = call(row, parameters={"binary_data_output": True})
    body, length = write_response({}, outputs, every)
    assert body[length:].startswith(b"\1\0\0\0a\2\0\0\0bc")
    with pytest.raises(InvalidRequest, match="no output 'none'"):
        require_outputs(call(row, outputs=[{"name": "none"}]), ["label"])
    for malformed in ("label", [1], [{"name": 1}]):
        with pytest.raises(InvalidRequest, match=r"does not fit: .*outputs"):
            call(row, outputs=malformed)


def test_a_key_that_stands_twice_is_refused() -> None:
    row = '{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["a"], "data": ["b"]}'
    with pytest.raises(InvalidRequest, match="The key 'data' stands twice"):
        read_call(f'{{"inputs": [{row}]}}'.encode(), None)
