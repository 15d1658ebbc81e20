"""Tensors of the Open Inference Protocol become payloads.

A tensor is taken where it stands for payloads: bytes, a column of rows, or the pixels of images.
Arrays of the network are not, because what the log held of them could become no example.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from tidemill.codecs.codec import Codec, Payload
from tidemill.codecs.image import ImagePayload
from tidemill.domain.errors import BadPayload, InvalidRequest
from tidemill.web.errors import invalid_field
from tidemill.web.reader import at_index
from tidemill.web.tensors import BYTES, InferenceCall, Tensor, read_call, read_length

PAYLOAD, PIXELS = "payload", "pixels"
JSON_NS, PIXEL_NS = 300.0, 300.0
"""Nanoseconds for a byte of JSON, and for a byte of pixels that become a PNG.

The JSON may hold pixels, too, and the rest of a body BYTES instead.
"""


def to_payloads(inputs: Sequence[Tensor], form: type[Payload], max_payloads: int) -> list[bytes]:
    """Return the payloads that tensors stand for.

    Raises InvalidRequest for tensors that stand for none, and BadPayload with the index.
    """
    by_name = {tensor.name: tensor for tensor in inputs}
    if len(by_name) != len(inputs):
        raise InvalidRequest("Two inputs have one name.")
    cells = form.cells()
    known = [PAYLOAD, *cells, *([PIXELS] if issubclass(form, ImagePayload) else [])]
    if strange := [name for name in by_name if name not in known]:
        raise InvalidRequest(
            f"There is no input {strange[0]!r}.",
            hint=f"Send {PAYLOAD!r} as BYTES, or the fields of a payload: {', '.join(known[1:])}. "
            "Arrays of the network are not taken: they could not become examples.",
        )
    first = inputs[0]
    if len(inputs) > 1 and not set(by_name) <= set(cells):
        raise InvalidRequest(f"{PAYLOAD!r} and {PIXELS!r} stand alone.")
    if not first.shape:
        raise InvalidRequest(f"The input {first.name!r} has no shape.", hint="Use [n].")
    count = first.shape[0]
    if not count:
        raise InvalidRequest(
            f"The input {first.name!r} holds no payload.", hint="Its shape begins with 1 or more."
        )
    if count > max_payloads:
        raise InvalidRequest(
            f"{count} payloads are too many for one request; at most {max_payloads}.",
            hint="Send several requests.",
        )
    if first.name == PIXELS and PIXELS not in cells:
        return _pixel_payloads(first, form)
    for tensor in inputs:
        if tensor.shape not in ((count,), (count, 1)):
            raise InvalidRequest(f"The input {tensor.name!r} needs the shape [{count}].")
    if first.name == PAYLOAD and PAYLOAD not in cells:
        if first.datatype != BYTES:
            raise InvalidRequest(f"The input {PAYLOAD!r} is BYTES, not {first.datatype}.")
        return list(first.values)
    columns = {tensor.name: _cells(tensor) for tensor in inputs}
    return [
        _row_payload({name: column[at] for name, column in columns.items()}, form, at, count)
        for at in range(count)
    ]


def read_inference(
    codec: Codec[Any], body: bytes, header_length: str | None, max_payloads: int
) -> tuple[InferenceCall, list[bytes]]:
    """Return what a request wants, without its tensors, and the payloads that they stand for."""
    call = read_call(body, header_length)
    payloads = to_payloads(call.inputs, codec.payload, max_payloads)
    return replace(call, inputs=()), payloads


def estimate_ns(body: bytes, header_length: str | None) -> float:
    """Return about how long the reading takes at most. Raises InvalidRequest for a wrong header.

    Only the length counts: what stands in the JSON is not known before it is parsed.
    """
    head = read_length(body, header_length)
    return JSON_NS * head + PIXEL_NS * (len(body) - head)


def _pixel_payloads(tensor: Tensor, form: type[Payload]) -> list[bytes]:
    if tensor.datatype != "UINT8" or len(tensor.shape) != 4:
        raise InvalidRequest(f"The input {PIXELS!r} is UINT8 [n, rows, columns, 3].")
    if 0 in tensor.shape:
        raise InvalidRequest(
            f"The images of the input {PIXELS!r} have no pixels.",
            hint=f"Its shape is {list(tensor.shape)}.",
        )
    payloads = []
    for at, array in enumerate(tensor.values):
        try:
            payloads.append(form.from_value(array).to_bytes())
        except BadPayload as error:
            raise at_index(error, at, of=len(tensor.values)) from error
    return payloads


def _cells(tensor: Tensor) -> Sequence[Any]:
    if tensor.datatype != BYTES:
        values: list[Any] = tensor.values.ravel().tolist()
        return values
    try:
        return [each.decode() for each in tensor.values]
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"An element of the input {tensor.name!r} is no UTF-8.") from error


def _row_payload(row: Mapping[str, Any], form: type[Payload], at: int, count: int) -> bytes:
    try:
        return form.from_cells(row).to_bytes()
    except ValidationError as error:
        place = f"payload {at}" if count > 1 else ""
        hint = f"The fields are {', '.join(form.cells())}."
        raise invalid_field(error, place, hint=hint) from error
    except BadPayload as error:
        raise at_index(error, at, of=count) from error
