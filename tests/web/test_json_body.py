"""JSON that does not have the form of the route is refused before it is built."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

from tests.codecs.test_text import CONFIG
from tidemill.codecs.image import ImageCodec
from tidemill.codecs.table import TableCodec
from tidemill.codecs.text import TextCodec
from tidemill.domain.errors import BadPayload, InvalidRequest
from tidemill.web.doubled_keys import MAX_CHECKED
from tidemill.web.json_body import decode_body, parse_payloads, rows_type

IMAGE = ImageCodec.from_config({"width": 8, "height": 8, "mean": [0, 0, 0], "std": [1, 1, 1]})
TABLE = TableCodec.from_config({"columns": [{"kind": "number", "name": "weight"}]})
TEXT = TextCodec.from_config(CONFIG)
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
        pytest.param(b"", "The body is empty", id="empty"),
        pytest.param(b"{}", "image: Field required", id="missing"),
        pytest.param(b'{"image": "AA==", "image": "AA=="}', "'image' stands twice", id="twice"),
        pytest.param(b'{"image": "AA==", "im\\u0061ge": ""}', "'image' stands twice", id="escaped"),
        pytest.param(
            b'{"instances": [{"image": "AA==", "image": "AA=="}]}',
            "'image' stands twice",
            id="twice in a row",
        ),
        pytest.param(
            b'{"instances": [{"image": "A"}], "instances": [{"image": "AA=="}]}',
            "'instances' stands twice",
            id="two lists",
        ),
        pytest.param(
            b'{"instances": [' + BRACKETS + b'], "instances": [{"image": "AA=="}]}',
            "'instances' stands twice",
            id="twice, large",
        ),
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


def test_a_doubled_key_of_a_row_is_named() -> None:
    assert "'weight' stands twice" in refusal(b'{"row": {"weight": 1, "weight": 2}}', TABLE)


def test_a_value_that_is_spelled_as_a_key_is_no_key() -> None:
    image = base64.b64encode(b"image").decode()
    assert parse_payloads(IMAGE, json.dumps({"image": image}).encode(), 4) == [b"image"]
    for text in ("text", "instances", 'a "text": b', "ä"):
        bodies: list[dict[str, Any]] = [
            {"text": text},
            {"instances": [{"text": text}, {"text": "instances"}]},
        ]
        for body in bodies:
            assert parse_payloads(TEXT, json.dumps(body).encode(), 4)[0] == text.encode()
            large = json.dumps({**body}, ensure_ascii=False) + " " * MAX_CHECKED
            assert parse_payloads(TEXT, large.encode(), 4)[0] == text.encode()
