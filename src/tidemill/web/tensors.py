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
from functools import cache
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt
import orjson

from tidemill.domain.errors import InvalidRequest
from tidemill.domain.json_keys import refuse_doubled_keys

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
MAX_LENGTH_DIGITS = 12
MAX_RANK = 8
MAX_SIDE = 2**31 - 1
MAX_ELEMENTS = 2**40
"""The product of the sides above 0: numpy multiplies them also where the tensor is empty."""
MAX_INPUTS = 1_000
MAX_JSON_ELEMENTS = 500_000
"""Elements of a tensor in JSON, about, where each costs tens of bytes of memory; binary has no such
bound.
"""

MAX_CHECKED = 64 << 10
"""Bytes of the JSON of a request up to which its keys are compared; longer ones hold numbers."""


class _CallParameters(msgspec.Struct):
    """The parameters of a request that are read; others pass unchecked, and are never built."""

    binary_data_output: bool | None = None


class _InputParameters(msgspec.Struct):
    """The parameters of a tensor that are read."""

    binary_data_size: int | None = None
    content_type: str | None = None


class _OutputParameters(msgspec.Struct):
    """The parameters of a wanted output that are read."""

    binary_data: bool | None = None


_Side = Annotated[int, msgspec.Meta(ge=0, le=MAX_SIDE)]


class _InputRow(msgspec.Struct):
    """A tensor of a request; its data is read later, by its datatype."""

    name: str
    datatype: str
    shape: Annotated[list[_Side], msgspec.Meta(min_length=1, max_length=MAX_RANK)]
    parameters: _InputParameters | None = None
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _OutputRow(msgspec.Struct):
    """An output that a request wants."""

    name: str
    parameters: _OutputParameters | None = None


class _CallRow(msgspec.Struct):
    """A request, without the bytes of its tensors."""

    inputs: Annotated[list[_InputRow], msgspec.Meta(min_length=1, max_length=MAX_INPUTS)]
    outputs: list[_OutputRow] | None = None
    id: str | None = None
    parameters: _CallParameters | None = None


_CALL = msgspec.json.Decoder(_CallRow)


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


def read_length(body: bytes, header_length: str | None) -> int:
    """Return the length of the JSON in a body. Raises InvalidRequest for a wrong header."""
    if header_length is None:
        return len(body)
    if not (header_length.isascii() and header_length.isdigit()):
        raise InvalidRequest(f"{LENGTH_HEADER} is no number.")
    if len(header_length) > MAX_LENGTH_DIGITS or int(header_length) > len(body):
        raise InvalidRequest(f"{LENGTH_HEADER} is larger than the body.")
    return int(header_length)


def read_call(body: bytes, header_length: str | None) -> InferenceCall:
    """Read a request. Raises InvalidRequest."""
    length = read_length(body, header_length)
    try:
        content = _CALL.decode(body[:length])
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"The request does not fit: {error}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The request is not JSON: {error}.") from error
    if length <= MAX_CHECKED:
        _refuse_doubled_keys(body[:length])
    buffer = memoryview(body)[length:]
    inputs = []
    for row in content.inputs:
        tensor, used = _read_tensor(row, buffer)
        inputs.append(tensor)
        buffer = buffer[used:]
    if buffer:
        raise InvalidRequest(f"{len(buffer)} bytes belong to no tensor.")
    binary = bool(content.parameters and content.parameters.binary_data_output)
    outputs = {row.name: _is_binary(row, default=binary) for row in content.outputs or ()}
    return InferenceCall(content.id, inputs, outputs or None, binary)


def _refuse_doubled_keys(head: bytes) -> None:
    try:
        refuse_doubled_keys(head)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"The request does not fit: {error}.") from error


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


def _is_binary(row: _OutputRow, *, default: bool) -> bool:
    wanted = row.parameters.binary_data if row.parameters else None
    return default if wanted is None else wanted


def _read_tensor(row: _InputRow, buffer: memoryview) -> tuple[Tensor, int]:
    """Return a tensor, and how many bytes of the buffer it took."""
    name, datatype, shape = row.name, row.datatype, row.shape
    if datatype != BYTES and datatype not in DTYPES:
        raise InvalidRequest(
            f"The input {name!r} has no known datatype.", hint=f"Use {_list([BYTES, *DTYPES])}."
        )
    parameters = row.parameters or _InputParameters()
    size, elements = parameters.binary_data_size, math.prod(shape)
    if math.prod(filter(None, shape)) > MAX_ELEMENTS:
        raise InvalidRequest(f"The shape of the input {name!r} is too large.")
    if (size is None) != isinstance(row.data, msgspec.Raw):
        raise InvalidRequest(f"The input {name!r} needs 'data', or binary data, and not both.")
    if isinstance(row.data, msgspec.Raw):
        values = _from_json(name, datatype, bytes(row.data), parameters)
        used = 0
    else:
        if size is None or not 0 <= size <= len(buffer):
            raise InvalidRequest(f"The binary data of the input {name!r} is incomplete.")
        values, used = _from_binary(name, datatype, bytes(buffer[:size]), elements), size
    if len(values) != elements:
        raise InvalidRequest(
            f"The input {name!r} has {len(values)} elements, and its shape {elements}."
        )
    if isinstance(values, np.ndarray):
        values = values.reshape(shape)
    return Tensor(name, datatype, tuple(shape), values), used


def _from_json(
    name: str, datatype: str, raw: bytes, parameters: _InputParameters
) -> list[bytes] | npt.NDArray[Any]:
    """Read the data of an input, flat or nested; the type ends the reading at the first misfit."""
    if raw.count(b'"' if datatype == BYTES else b",") >= 2 * MAX_JSON_ELEMENTS:
        raise InvalidRequest(
            f"The input {name!r} has too many elements for JSON.",
            hint=f"Send it in binary, with {LENGTH_HEADER}.",
        )
    depth = len(raw) - len(raw.lstrip(b"[ \t\r\n"))
    depth = min(raw[:depth].count(b"["), MAX_RANK)
    kind = "s" if datatype == BYTES else np.dtype(DTYPES[datatype]).kind
    try:
        data = _decoder(kind, depth).decode(raw)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"The data of the input {name!r} does not fit: {error}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"The data of the input {name!r} is not JSON: {error}.") from error
    for _ in range(depth - 1):
        data = [element for row in data for element in row]
    if datatype == BYTES:
        return [_text_bytes(name, each, parameters) for each in data]
    try:
        with np.errstate(over="raise"):
            return np.array(data, DTYPES[datatype])
    except (OverflowError, FloatingPointError) as error:
        raise InvalidRequest(f"A number of the input {name!r} does not fit {datatype}.") from error


@cache
def _decoder(kind: str, depth: int) -> msgspec.json.Decoder[Any]:
    element: Any = {"s": str, "b": bool, "f": float}.get(kind, int)
    for _ in range(max(depth, 1)):
        element = list[element]
    return msgspec.json.Decoder(element)


def _text_bytes(name: str, element: str, parameters: _InputParameters) -> bytes:
    if parameters.content_type != "base64":
        return element.encode()
    try:
        return base64.b64decode(element, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"An element of the input {name!r} is no base64: {error}.") from error


def _from_binary(
    name: str, datatype: str, data: bytes, most: int
) -> list[bytes] | npt.NDArray[Any]:
    """Read binary data; elements of BYTES end the reading when there are more than `most`."""
    if datatype != BYTES:
        dtype = np.dtype(DTYPES[datatype])
        if len(data) % dtype.itemsize:
            raise InvalidRequest(f"The binary data of the input {name!r} ends inside an element.")
        return np.frombuffer(data, dtype)
    elements: list[bytes] = []
    at = 0
    while at < len(data):
        if len(elements) == most:
            raise InvalidRequest(f"The input {name!r} has more elements than its shape, {most}.")
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


def _list(names: Any) -> str:
    return ", ".join(names)
