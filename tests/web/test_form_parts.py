"""What the header of a part says of its file: its name in each spelling, and its encoding."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from fastapi import APIRouter

from tests.web import tiny_text
from tidemill.recipes.routes import Routes
from tidemill.web.files import _takes_many

HEAD = {"content-type": "multipart/form-data; boundary=BB"}
JSON = {"content-type": "application/json"}
NAME = b'Content-Disposition: form-data; name="file"; '
ROUTES = ("/v1/predict", "/predict")


def form(head: bytes, content: bytes) -> bytes:
    return b"--BB\r\n" + head + b"\r\n\r\n" + content + b"\r\n--BB--\r\n"


def test_the_header_of_a_part_has_a_limit(client: Any, red: bytes) -> None:
    for size, status in ((7 << 10, 200), (9 << 10, 400)):
        head = NAME + b'filename="a.png"\r\nX-Note: ' + b"x" * size
        response = client.request("POST", "/v1/predict", content=form(head, red), headers=HEAD)
        assert response.status_code == status, (size, response.text)


@pytest.fixture
def texts(workspace: Any, start_app: Any) -> Any:
    workspace.promote(workspace.enter(*tiny_text.files("sentiment", ("bad", "good"))))
    return start_app(workspace.parts(), lambda _: Routes(APIRouter()))


@pytest.mark.parametrize(
    "name",
    [
        b"filename*=UTF-8''Bl%C3%A4tter.png",
        b"FileName*=UTF-8''a.png",
        b"filename* = UTF-8''a.png",
        b'filename*0="Bl"; filename*1="a.png"',
        b"filename*0*=UTF-8''Bl%C3; filename*1*=%A4.png",
        b"filename=\"a.png\"; filename*=UTF-8''a.png",
        b"filename*=ISO-8859-1''%ZZ",
        b'filename="a; filename*=b.png"',
        "filename=Blätter.png".encode("latin-1"),
        b'filename=""',
    ],
)
def test_a_file_is_known_by_its_name_in_each_spelling(client: Any, red: bytes, name: bytes) -> None:
    for route in ROUTES:
        response = client.request("POST", route, content=form(NAME + name, red), headers=HEAD)
        assert response.status_code == 200, (route, response.text)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (b"Content-Transfer-Encoding: base64", "'base64'"),
        (b"content-transfer-encoding:Quoted-Printable", "'quoted-printable'"),
        (b"Content-Encoding: gzip", "'gzip'"),
        (b"Content-Type: text/plain; charset=iso-8859-1", "'iso-8859-1'"),
        (b"Content-Type: text/plain; charset=utf-7", "'utf-7'"),
    ],
)
def test_a_part_in_another_encoding_is_refused_by_name(texts: Any, line: bytes, word: str) -> None:
    """Its bytes may be readable as they are, as another text."""
    body = form(NAME + b'filename="a.txt"\r\n' + line, b"cHJvZml0IHJvc2U=")
    response = texts.request("POST", "/v1/predict", content=body, headers=HEAD)
    assert response.status_code == 415
    assert word in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "line",
    [
        b"Content-Transfer-Encoding: binary",
        b"Content-Type: text/plain; charset=UTF-8",
        b"Content-Type: image/png; charset=binary",
    ],
)
def test_a_part_that_is_as_it_is_is_read(texts: Any, line: bytes) -> None:
    body = form(NAME + b'filename="a.txt"\r\n' + line, b"profit rose")
    assert texts.request("POST", "/v1/predict", content=body, headers=HEAD).status_code == 200


def test_a_body_packed_twice_is_refused_by_name(texts: Any) -> None:
    body = gzip.compress(b'{"text": "profit rose"}')
    for codings in (["gzip", "gzip"], ["gzip", "br"], ["gzip", "identity"]):
        headers = [*JSON.items(), *(("content-encoding", each) for each in codings)]
        response = texts.request("POST", "/v1/predict", content=body, headers=headers)
        assert response.status_code == 415, codings
        assert codings[1] in response.json()["error"]["message"]


def test_json_may_begin_with_a_byte_order_mark(texts: Any) -> None:
    body = '{"text": "Gewinn höher"}'.encode("utf-8-sig")
    for sent, more in ((body, {}), (gzip.compress(body), {"content-encoding": "gzip"})):
        response = texts.request("POST", "/v1/predict", content=sent, headers={**JSON, **more})
        assert response.status_code == 200, response.text


def test_a_parameter_of_a_query_stands_once(workspace: Any, start_app: Any) -> None:
    from tests.web.test_api_cases import serve_lucky

    client = serve_lucky(workspace, start_app)
    for path in (
        "/submit_feedback/?prompt=a&label=yes&label=no",
        "/ask_model/?question=a&question=b",
    ):
        response = client.request("POST", path)
        assert response.status_code == 422
        assert "twice" in response.json()["error"]["message"]
    assert client.request("POST", "/submit_feedback/?prompt=a&label=yes").status_code == 200


def test_a_list_may_be_given_several_times() -> None:
    assert _takes_many(list[str])
    assert _takes_many(list[str] | None)
    assert not _takes_many(str | None)
