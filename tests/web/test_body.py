"""The limit on bodies, before they are in memory, on every route."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, File, Request, UploadFile

from tidemill.web import body, errors

pytestmark = pytest.mark.anyio
MOST = 10_000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def bounded(**bounds: int) -> FastAPI:
    app = FastAPI()

    @app.post("/raw")
    async def raw(request: Request) -> int:
        return len(await request.body())

    @app.post("/form")
    async def form(file: UploadFile = File()) -> int:  # noqa: B008
        return len(await file.read())

    errors.install_handlers(app)
    app.add_middleware(body.BodyLimit, **{"max_body": MOST, **bounds})
    return app


class Pieces:
    """A body in pieces without a declared length. It counts the bytes that were read."""

    def __init__(self, head: bytes = b"") -> None:
        self.head = head
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.head
        for _ in range(1000):
            self.taken += 1000
            yield b"x" * 1000


async def post(path: str, **request: Any) -> Any:
    transport = httpx.ASGITransport(bounded())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.post(path, **request)


def refused(response: Any) -> None:
    assert response.status_code == 413, response.text
    assert response.json()["error"]["code"] == "too_large"
    assert response.headers["connection"] == "close"


async def test_a_small_body_passes() -> None:
    assert (await post("/raw", content=b"x" * MOST)).json() == MOST
    assert (await post("/form", files={"file": ("a", b"x" * 5000)})).json() == 5000


async def test_a_declared_length_above_the_limit_is_refused_unread() -> None:
    refused(await post("/raw", content=b"x" * (MOST + 1)))


async def test_a_body_above_the_limit_is_not_read_to_its_end() -> None:
    pieces = Pieces()
    refused(await post("/raw", content=pieces))
    assert pieces.taken <= MOST + 2000


async def test_a_form_that_grows_too_large() -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    pieces = Pieces(head)
    headers = {"content-type": "multipart/form-data; boundary=b"}
    refused(await post("/form", content=pieces, headers=headers))
    assert pieces.taken <= MOST + 2000


def full(response: Any) -> None:
    assert response.status_code == 503, response.text
    assert response.json()["error"]["code"] == "overloaded"
    assert response.headers["connection"] == "close"
    assert response.headers["retry-after"] == "1"


class Half:
    """A body without a declared length that waits halfway."""

    def __init__(self) -> None:
        self.sent = asyncio.Event()
        self.go = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"x" * 6000
        self.sent.set()
        await self.go.wait()
        yield b"x" * 1000


@pytest.mark.parametrize("declared", [True, False])
async def test_all_bodies_together_have_a_limit(declared: bool) -> None:
    """Half a body is in memory; a second one no longer fits beside it."""
    transport = httpx.ASGITransport(bounded(max_total=9000))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        half = Half()
        first = asyncio.create_task(client.post("/raw", content=half))
        await half.sent.wait()

        async def pieces() -> AsyncIterator[bytes]:
            yield b"x" * 4000

        full(await client.post("/raw", content=b"x" * 4000 if declared else pieces()))
        assert (await client.post("/raw", content=b"x" * 2000)).json() == 2000
        half.go.set()
        assert (await first).json() == 7000
        assert (await client.post("/raw", content=b"x" * 9000)).json() == 9000, "all is let go"


async def test_a_form_that_there_is_no_room_for() -> None:
    """FastAPI reads a form itself and turns most errors into a 400."""
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    transport = httpx.ASGITransport(bounded(max_total=3000))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        headers = {"content-type": "multipart/form-data; boundary=b"}
        full(await client.post("/form", content=Pieces(head), headers=headers))
        assert (await client.post("/raw", content=b"x" * 3000)).json() == 3000
