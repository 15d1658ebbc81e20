"""JSON that does not have the form of the route is refused before it is built."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tidemill.codecs.image import ImageCodec
from tidemill.codecs.table import TableCodec
from tidemill.domain.errors import BadPayload, InvalidRequest
from tidemill.web.json_body import decode_body, parse_payloads, rows_type

IMAGE = ImageCodec.from_config({"width": 8, "height": 8, "mean": [0, 0, 0], "std": [1, 1, 1]})
TABLE = TableCodec.from_config({"columns": [{"kind": "number", "name": "weight"}]})
BRACKETS = b"[" + b"[]," * 100_000 + b"[]]"


def refusal(body: bytes, codec: Any = IMAGE) -> str:
    with pytest.raises(InvalidRequest) as caught:
        parse_payloads(codec, body, 4)
    assert caught.value.hint
    return caught.value.message


def test_a_list_ends_at_its_first_value_too_many() -> None:
    """Values are left as they are: at most as many as the list may hold are made."""
    rows = msgspec.json.Decoder(rows_type(3))
    assert [bytes(row) for row in msgspec.structs.astuple(rows.decode(b"[1,[2],{}]"))] == [
        b"1",
        b"[2]",
        b"{}",
    ]
    with pytest.raises(InvalidRequest, match="at most 3"):
        decode_body(rows, BRACKETS, hint="h")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(BRACKETS, "one JSON object", id="array"),
        pytest.param(b'{"image": ' + BRACKETS + b"}", "image: Expected 'str'", id="field"),
        pytest.param(b'{"instances": ' + BRACKETS + b"}", "at most 4", id="list"),
        pytest.param(b'{"other": ' + BRACKETS + b"}", "other: There is no such", id="unknown"),
        pytest.param(b'{"instances": [' + b"[" * 100_000, "nested too deeply", id="depth"),
        pytest.param(b'{"instances": [{"image": "", "b": 1}]}', "b: There is no", id="beside"),
        pytest.param(b'{"instances": [], "image": ""}', "stands beside", id="both"),
        pytest.param(b'{"instances": []}', "at least one", id="none"),
        pytest.param(b'{"instances": {}}', "'instances' must be a list", id="object"),
        pytest.param(b'{"image": "\xff"}', "not JSON in UTF-8", id="latin1"),
        pytest.param(b"", "not JSON", id="empty"),
        pytest.param(b"{}", "image: Field required", id="missing"),
    ],
)
def test_what_does_not_fit_is_named(body: bytes, message: str) -> None:
    assert message in refusal(body)


def test_the_row_is_named_where_there_are_several() -> None:
    body = b'{"instances": [{"image": "AA=="}, {"image": 1}]}'
    assert refusal(body).startswith("instances.1: image: ")
    with pytest.raises(BadPayload, match=r"^Payload 1: .*base64"):
        parse_payloads(IMAGE, b'{"instances": [{"image": "AA=="}, {"image": "?"}]}', 4)


def test_the_model_of_a_payload_validates_what_is_no_text() -> None:
    assert refusal(b'{"row": {"weight": [1]}}', TABLE).startswith("row.weight")
    [payload] = parse_payloads(TABLE, json.dumps({"row": {"weight": 2.5}}).encode(), 4)
    assert payload == b'{"weight":2.5}'
