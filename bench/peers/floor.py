"""The least that a server can do, to show what the generator can: one answer to everything.

`python -m bench.peers.floor PORT BYTES`; it reads whole requests and answers with so many bytes.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop


class Floor(asyncio.Protocol):
    """Answers each request as soon as its last byte is there."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._missing = 0
        self._head = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if not self._missing:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            at = self._head.lower().index(b"content-length:") + len(b"content-length:")
            size = int(self._head[at:].split(b"\r\n", 1)[0])
            self._missing = size - (len(self._head) - end - 4)
            self._head = b""
        else:
            self._missing -= len(data)
        if self._missing <= 0:
            self._missing = 0
            assert self._transport is not None
            self._transport.write(self._answer)


async def serve(port: int, size: int) -> None:
    """Listen until the process is ended."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
    answer = head.encode() + b" " * size
    server = await asyncio.get_running_loop().create_server(
        lambda: Floor(answer), "127.0.0.1", port
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
