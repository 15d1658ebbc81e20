"""Nine clients announce large bodies and then send a byte a second. Others ask small things."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from tests.cases.requests import large_text, post_head
from tests.cases.server import Serve, Server
from tests.cases.verdict import falls_short, require

SIZE, AT_ONCE, SECONDS, PATIENCE = 31 << 20, 256 << 20, 16, 10
"""Bytes of one body, bytes of all bodies that the server takes at once."""
OPENED, LEFT = b'{"text":"', 2_000


def begin_body(server: Server, size: int, sent: int) -> socket.socket:
    """Announce a body of this size, and send that much of it."""
    client = server.connect()
    with suppress(OSError):
        client.sendall(post_head("/v1/predict", size) + OPENED + b"A" * (sent - len(OPENED)))
    return client


@contextmanager
def slow_clients(server: Server) -> Iterator[list[socket.socket]]:
    """Eight large bodies, and one that takes what the shared budget still has."""
    rest = AT_ONCE - 8 * (SIZE - LEFT) - 500
    with ExitStack() as connections:
        sizes = [(SIZE, SIZE - LEFT)] * 8 + [(rest, rest - 500)]
        yield [connections.enter_context(begin_body(server, *size)) for size in sizes]


@falls_short("serving", "beside nine idle bodies 1 of 16 small requests is answered")
def test_idle_bodies_do_not_keep_others_out(serve: Serve) -> None:
    small, statuses = large_text(200), []
    with serve("sentiment") as server, slow_clients(server) as clients:
        began = time.monotonic()
        while (passed := time.monotonic() - began) < SECONDS:
            statuses.append((passed, server.ask("/v1/predict", small, timeout=5).status))
            for client in clients:
                with suppress(OSError):
                    client.sendall(b"A")
            time.sleep(1)  # A byte a second is what is tried.
    answered = sum(status == 200 for _, status in statuses)
    late = [status for passed, status in statuses if passed > PATIENCE]
    assert late
    require(
        all(status == 200 for status in late),
        f"beside nine slow bodies {answered} of {len(statuses)} small requests in {SECONDS} s are"
        f" answered (the last: {late[-1]}); from {PATIENCE} s on, all should be",
    )
