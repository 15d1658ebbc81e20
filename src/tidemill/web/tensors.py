"""Requests and responses of the Open Inference Protocol v2: JSON, with tensors in binary or not.

With the binary extension a body is JSON and then the bytes of tensors, one after the other; the
header `Inference-Header-Content-Length` has the length of the JSON. Numbers are little-endian, and
each element of BYTES follows its length in four bytes.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from tidemill.domain.errors import InvalidRequest

BYTES = "BYTES"
DTYPES: dict[str, npt.DTypeLike] = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
LENGTH_HEADER = "Inference-Header-Content-Length"
MAX_RANK = 8


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A named tensor. `values` is a list of bytes for BYTES, else an array of its shape."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Any
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InferenceCall:
    """A request. `outputs` maps each wanted output to whether it is binary; None wants all."""

    id: str | None
    inputs: Sequence[Tensor]
    outputs: Mapping[str, bool] | None
    binary: bool


def read_call(body: bytes, header_length: str | None) -> InferenceCall:
    """Read a request. Raises InvalidRequest."""
    length = len(body)
    if header_length is not None:
        if not (header_length.isascii() and header_length.isdigit()):
            raise InvalidRequest(f"{LENGTH_HEADER} is no number.")
        length = int(header_length)
        if length > len(body):
            raise InvalidRequest(f"{LENGTH_HEADER} is larger than the body.")
    try:
        content = orjson.loads(body[:length])
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The request is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise InvalidRequest("The request must be one JSON object.")
    id = content.get("id")
    if not (id is None or isinstance(id, str)):
        raise InvalidRequest("'id' must be a string.")
    rows = content.get("inputs")
    if not isinstance(rows, list) or not rows:
        raise InvalidRequest("'inputs' must be a list of at least one tensor.")
    buffer = memoryview(body)[length:]
    inputs = []
    for row in rows:
        tensor, used = _read_tensor(row, buffer)
        inputs.append(tensor)
        buffer = buffer[used:]
    if buffer:
        raise InvalidRequest(f"{len(buffer)} bytes belong to no tensor.")
    binary = _parameters(content).get("binary_data_output") is True
    return InferenceCall(id, inputs, _read_outputs(content.get("outputs"), binary), binary)


def require_outputs(call: InferenceCall, names: Sequence[str]) -> None:
    """Raise InvalidRequest when a request wants an output that there is not."""
    for name in call.outputs or ():
        if name not in names:
            raise InvalidRequest(f"There is no output {name!r}.", hint=f"There is {_list(names)}.")


def write_response(
    content: Mapping[str, Any], outputs: Sequence[Tensor], call: InferenceCall
) -> tuple[bytes, int | None]:
    """Return the body, and the length of its JSON when tensors follow in binary."""
    by_name = {tensor.name: tensor for tensor in outputs}
    wanted = dict.fromkeys(by_name, call.binary) if call.outputs is None else call.outputs
    rows, chunks = [], []
    for name, binary in wanted.items():
        tensor = by_name.get(name)
        if tensor is None:
            raise InvalidRequest(
                f"There is no output {name!r}.", hint=f"There is {_list(by_name)}."
            )
        row: dict[str, Any] = {
            "name": name,
            "datatype": tensor.datatype,
            "shape": list(tensor.shape),
        }
        parameters = dict(tensor.parameters)
        if binary:
            chunk = _to_binary(tensor)
            parameters["binary_data_size"] = len(chunk)
            chunks.append(chunk)
        else:
            row["data"] = _to_list(tensor)
        rows.append(row | ({"parameters": parameters} if parameters else {}))
    head = orjson.dumps({**content, "outputs": rows})
    return b"".join([head, *chunks]), len(head) if chunks else None


def _read_outputs(rows: object, binary: bool) -> dict[str, bool] | None:
    if rows is None or rows == []:
        return None
    if not isinstance(rows, list):
        raise InvalidRequest("'outputs' must be a list.")
    outputs = {}
    for row in rows:
        if not (isinstance(row, dict) and isinstance(row.get("name"), str)):
            raise InvalidRequest("Each of 'outputs' must be an object with a name.")
        outputs[row["name"]] = _parameters(row).get("binary_data", binary) is True
    return outputs


def _read_tensor(row: object, buffer: memoryview) -> tuple[Tensor, int]:
    """Return a tensor, and how many bytes of the buffer it took."""
    if not (isinstance(row, dict) and isinstance(row.get("name"), str)):
        raise InvalidRequest("Each of 'inputs' must be an object with a name.")
    name, datatype, shape = row["name"], row.get("datatype"), row.get("shape")
    if datatype != BYTES and (not isinstance(datatype, str) or datatype not in DTYPES):
        raise InvalidRequest(
            f"The input {name!r} has no known datatype.", hint=f"Use {_list([BYTES, *DTYPES])}."
        )
    if not (
        isinstance(shape, list)
        and len(shape) <= MAX_RANK
        and all(type(side) is int and side >= 0 for side in shape)
    ):
        raise InvalidRequest(f"The shape of the input {name!r} is no list of whole numbers.")
    parameters = _parameters(row)
    count = math.prod(shape)
    size = parameters.get("binary_data_size")
    if (size is None) != ("data" in row):
        raise InvalidRequest(f"The input {name!r} needs 'data', or binary data, and not both.")
    if size is None:
        values = _from_json(name, datatype, row["data"], parameters)
        used = 0
    else:
        if type(size) is not int or not 0 <= size <= len(buffer):
            raise InvalidRequest(f"The binary data of the input {name!r} is incomplete.")
        values, used = _from_binary(name, datatype, bytes(buffer[:size])), size
    if len(values) != count:
        raise InvalidRequest(
            f"The input {name!r} has {len(values)} elements, and its shape {count}."
        )
    if isinstance(values, np.ndarray):
        values = values.reshape(shape)
    return Tensor(name, datatype, tuple(shape), values, parameters), used


def _from_json(
    name: str, datatype: str, data: object, parameters: Mapping[str, Any]
) -> list[bytes] | npt.NDArray[Any]:
    if not isinstance(data, list):
        raise InvalidRequest(f"The data of the input {name!r} is no list.")
    for _ in range(MAX_RANK):
        if not any(isinstance(each, list) for each in data):
            break
        if not all(isinstance(each, list) for each in data):
            raise InvalidRequest(f"The data of the input {name!r} is uneven.")
        data = [element for row in data for element in row]
    if datatype == BYTES:
        return [_text_bytes(name, each, parameters) for each in data]
    kind = np.dtype(DTYPES[datatype]).kind
    types = {"b": (bool,), "f": (int, float)}.get(kind, (int,))
    if not all(type(each) in types for each in data):
        raise InvalidRequest(f"The data of the input {name!r} does not fit {datatype}.")
    try:
        return np.array(data, DTYPES[datatype])
    except OverflowError as error:
        raise InvalidRequest(f"A number of the input {name!r} does not fit {datatype}.") from error


def _text_bytes(name: str, element: object, parameters: Mapping[str, Any]) -> bytes:
    if not isinstance(element, str):
        raise InvalidRequest(f"An element of the input {name!r} is no string.")
    try:
        if parameters.get("content_type") == "base64":
            return base64.b64decode(element, validate=True)
        return element.encode()
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(
            f"An element of the input {name!r} cannot be read: {error}."
        ) from error


def _from_binary(name: str, datatype: str, data: bytes) -> list[bytes] | npt.NDArray[Any]:
    if datatype != BYTES:
        dtype = np.dtype(DTYPES[datatype])
        if len(data) % dtype.itemsize:
            raise InvalidRequest(f"The binary data of the input {name!r} ends inside an element.")
        return np.frombuffer(data, dtype)
    elements, at = [], 0
    while at < len(data):
        end = at + 4
        length = struct.unpack_from("<I", data, at)[0] if end <= len(data) else len(data)
        if end + length > len(data):
            raise InvalidRequest(f"The binary data of the input {name!r} ends inside an element.")
        elements.append(data[end : end + length])
        at = end + length
    return elements


def _to_binary(tensor: Tensor) -> bytes:
    if tensor.datatype != BYTES:
        return np.asarray(tensor.values, DTYPES[tensor.datatype]).tobytes()
    return b"".join(struct.pack("<I", len(each)) + each for each in tensor.values)


def _to_list(tensor: Tensor) -> list[Any]:
    if tensor.datatype != BYTES:
        return np.asarray(tensor.values, DTYPES[tensor.datatype]).ravel().tolist()
    return [each.decode() for each in tensor.values]


def _parameters(row: Mapping[str, Any]) -> Mapping[str, Any]:
    parameters = row.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise InvalidRequest("'parameters' must be an object.")
    return parameters


def _list(names: Any) -> str:
    return ", ".join(names)
