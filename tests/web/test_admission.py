"""A body is read before the app, within limits of size, time and share."""

from __future__ import annotations

import asyncio
import gzip
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, File, Request, UploadFile
from starlette.types import Message

from tidemill.domain.errors import TooLarge
from tidemill.web import admission, errors
from tidemill.web.admission import Admission, BodyLimits
from tidemill.web.body_head import unpack_gzip
from tidemill.web.request_context import DEADLINE_KEY, UPLOADING_KEY

pytestmark = pytest.mark.anyio
MOST = 10_000
LIMITS = BodyLimits(body=MOST, total=16 * MOST, small=100, rate=1000, window=0.01)
JSON = {"content-type": "application/json"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def bounded(limits: BodyLimits = LIMITS, json_limit: Callable[[], int] | None = None) -> FastAPI:
    app = FastAPI()

    @app.post("/raw")
    async def raw(request: Request) -> int:
        return len(await request.body())

    @app.post("/form")
    async def form(file: UploadFile = File()) -> int:  # noqa: B008
        return len(await file.read())

    @app.get("/deadline")
    async def deadline(request: Request) -> bool:
        return DEADLINE_KEY in request.scope

    errors.install_handlers(app)
    app.add_middleware(Admission, limits=limits, json_limit=json_limit)
    return app


class Pieces:
    """A body in pieces without a declared length. It counts the bytes that were read."""

    def __init__(self, head: bytes = b"", pieces: int = 1000) -> None:
        self.head = head
        self.pieces = pieces
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.head
        for _ in range(self.pieces):
            self.taken += 1000
            yield b"x" * 1000


async def post(path: str, app: FastAPI | None = None, **request: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app or bounded())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.post(path, **request)


def refused(response: httpx.Response, status: int, code: str) -> str:
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == code
    assert response.headers["connection"] == "close"
    message: str = response.json()["error"]["message"]
    return message


async def test_a_small_body_passes() -> None:
    assert (await post("/raw", content=b"x" * MOST)).json() == MOST
    assert (await post("/form", files={"file": ("a", b"x" * 5000)})).json() == 5000


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_above_the_limit_is_refused(declared: bool) -> None:
    content: Any = b"x" * (MOST + 1) if declared else Pieces()
    refused(await post("/raw", content=content), 413, "too_large")


async def test_a_refused_body_is_read_a_little_further_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client that is still sending would see a reset connection in place of the answer."""
    monkeypatch.setattr(admission, "MAX_DROP_BYTES", 5_000)
    pieces = Pieces()
    refused(await post("/raw", content=pieces), 413, "too_large")
    assert MOST + 5_000 <= pieces.taken <= MOST + 8_000


async def test_a_refused_body_that_has_come_is_not_read_on() -> None:
    """Nothing more comes, and to wait for it would hold the connection and the memory."""

    async def receive() -> Message:
        assert not received
        received.append(True)
        return {"type": "http.request", "body": b"no gzip", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    received: list[bool] = []
    sent: list[Message] = []
    headers = [(b"content-encoding", b"gzip"), (b"content-length", b"7")]
    scope = {"type": "http", "method": "POST", "path": "/raw", "headers": headers}
    await Admission(bounded(), LIMITS)({**scope, UPLOADING_KEY: lambda: False}, receive, send)
    assert sent[0]["status"] == 422


async def test_one_that_waits_for_a_word_to_send_is_not_asked_to() -> None:
    pieces = Pieces()
    head = {"expect": "100-continue", "content-length": str(MOST + 1)}
    refused(await post("/raw", content=pieces, headers=head), 413, "too_large")
    assert pieces.taken == 0


async def test_json_has_the_limit_of_the_served_model() -> None:
    app = bounded(json_limit=lambda: 50)
    refused(await post("/raw", app, content=b"x" * 51, headers=JSON), 413, "too_large")
    assert (await post("/raw", app, content=b"x" * 50, headers=JSON)).json() == 50
    assert (await post("/raw", app, content=b"x" * 51)).json() == 51


class Half:
    """A body that waits halfway."""

    def __init__(self, first: int = 6000, rest: int = 1000) -> None:
        self.first, self.rest = first, rest
        self.sent = asyncio.Event()
        self.go = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"x" * self.first
        self.sent.set()
        await self.go.wait()
        yield b"x" * self.rest


PATIENT = replace(LIMITS, window=60.0)


@pytest.mark.parametrize("declared", [True, False])
async def test_all_bodies_together_have_a_limit(declared: bool) -> None:
    """Large bodies leave room for small ones, and one client has half of it."""
    limits = replace(PATIENT, total=16_000)
    app = bounded(limits)
    half = Half()
    first = asyncio.create_task(post("/raw", app, content=half))
    await half.sent.wait()
    content: Any = b"x" * 4000 if declared else Pieces(pieces=4)
    refused(await post("/raw", app, content=content), 503, "overloaded")
    assert (await post("/raw", app, content=b"x" * 100)).json() == 100
    other = httpx.ASGITransport(app, client=("192.0.2.7", 1))
    async with httpx.AsyncClient(transport=other, base_url="http://test") as client:
        assert (await client.post("/raw", content=b"x" * 4000)).json() == 4000
    half.go.set()
    assert (await first).json() == 7000
    assert (await post("/raw", app, content=b"x" * 8000)).json() == 8000, "all is let go"


@pytest.mark.parametrize("head", [{}, {"content-length": "7000"}])
async def test_a_body_that_stops_is_given_up(head: dict[str, str]) -> None:
    message = refused(await post("/raw", content=Half(), headers=head), 408, "too_slow")
    assert "too slowly" in message


async def test_a_body_that_brings_enough_in_each_window_is_awaited() -> None:
    """The last window may bring less: what is missing."""

    async def steady() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 400
            await asyncio.sleep(0)

    assert (await post("/raw", content=steady())).json() == 8000


PACKED = {"content-encoding": "gzip"}


async def test_a_packed_body_is_unpacked_within_the_limit() -> None:
    two = gzip.compress(b"x" * 4000) + gzip.compress(b"y" * 4000)
    assert (await post("/raw", content=two, headers=PACKED)).json() == 8000
    bomb = gzip.compress(b"x" * (MOST + 1))
    refused(await post("/raw", content=bomb, headers=PACKED), 413, "too_large")


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(b"x" * 99, mtime=0)[:-9]])
async def test_a_body_that_is_not_packed_is_refused(content: bytes) -> None:
    refused(await post("/raw", content=content, headers=PACKED), 422, "invalid")


async def test_the_members_of_a_packed_body_are_few_and_each_is_read_once() -> None:
    """What follows a member was copied for each member: a quadratic cost."""
    member = gzip.compress(b"", mtime=0)
    assert (
        await post("/raw", content=member * 99 + gzip.compress(b"x"), headers=PACKED)
    ).json() == 1
    refused(await post("/raw", content=member * 101, headers=PACKED), 422, "invalid")


@pytest.mark.parametrize("size", [1, 65_530, 65_536, 65_540, 200_000])
def test_a_packed_body_is_read_whole_over_the_ends_of_slices(size: int) -> None:
    content = random.Random(size).randbytes(size)
    body = gzip.compress(content[: size // 2], mtime=0) + gzip.compress(content[size // 2 :], 0)
    assert unpack_gzip(body, size) == content
    with pytest.raises(TooLarge):
        unpack_gzip(body, size - 1)


async def test_a_boundary_has_a_length_and_stands_at_the_end() -> None:
    long = "b" * 71
    head = {"content-type": f"multipart/form-data; boundary={long}"}
    body = f"--{long}--\r\n".encode()
    refused(await post("/form", content=body, headers=head), 400, "malformed")
    head = {"content-type": "multipart/form-data; boundary=b"}
    body = b"--b--\r\n" + b"x" * 5_000
    refused(await post("/form", content=body, headers=head), 400, "malformed")


async def test_another_encoding_is_named() -> None:
    response = await post("/raw", content=b"x", headers={"content-encoding": "br"})
    assert "'br'" in refused(response, 415, "unsupported_media_type")


@pytest.mark.parametrize("charset", ["iso-8859-1", '"UTF-16"'])
async def test_json_in_another_charset_is_named(charset: str) -> None:
    head = {"content-type": f"application/json; charset={charset}"}
    message = refused(
        await post("/raw", content=b"{}", headers=head), 415, "unsupported_media_type"
    )
    assert charset.strip('"').lower() in message


@pytest.mark.parametrize("charset", ["utf-8", '"UTF-8"', "us-ascii"])
async def test_json_in_utf8_passes(charset: str) -> None:
    head = {"content-type": f"application/json; charset={charset}"}
    assert (await post("/raw", content=b"{}", headers=head)).json() == 2


async def test_a_form_that_is_cut_off_is_refused() -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nxyz\r\n'
    head = {"content-type": "multipart/form-data; boundary=b"}
    refused(await post("/form", content=part + part[:-9], headers=head), 400, "malformed")
    assert (await post("/form", content=part + b"--b--\r\n", headers=head)).json() == 3


async def test_a_file_with_an_encoded_name_alone_is_a_file() -> None:
    name = "filename*=UTF-8''Bl%C3%A4tter.png"
    part = f'--b\r\nContent-Disposition: form-data; name="file"; {name}\r\n\r\nxyz\r\n'.encode()
    head = {"content-type": "multipart/form-data; boundary=b"}
    assert (await post("/form", content=part + b"--b--\r\n", headers=head)).json() == 3


@pytest.mark.parametrize("value", ["soon", "-1", "0", "inf", "nan"])
async def test_a_deadline_is_a_number_of_seconds(value: str) -> None:
    head = {"x-request-timeout": value}
    refused(await post("/raw", content=b"x", headers=head), 422, "invalid")


async def test_a_deadline_is_kept_with_the_request() -> None:
    transport = httpx.ASGITransport(bounded())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/deadline", headers={"x-request-timeout": "2.5"})).json() is True
        assert (await client.get("/deadline")).json() is False
