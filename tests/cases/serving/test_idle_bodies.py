"""Nine clients announce large bodies and then send a byte a second. Others ask small things."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

from tests.cases.requests import large_text, post_head
from tests.cases.server import Serve, Server, call_together
from tests.cases.verdict import require

SIZE, AT_ONCE = 31 << 20, 256 << 20
"""Bytes of one body, bytes of all bodies that the server takes at once."""
FILLED_S, SECONDS, PATIENCE, SEND_S = 30, 16, 10, 60.0
"""Seconds in which the bodies fill the budget, in which others ask from then on, and from when all
of these must be answered. A busy machine may take the last to send a body."""
OPENED, LEFT = b'{"text":"', 2_000


def begin_body(server: Server, size: int, sent: int) -> socket.socket:
    """Announce a body of this size, and send that much of it."""
    client = server.connect()
    client.settimeout(SEND_S)
    with suppress(OSError):
        client.sendall(post_head("/v1/predict", size) + OPENED + b"A" * (sent - len(OPENED)))
    return client


@contextmanager
def slow_clients(server: Server) -> Iterator[list[socket.socket]]:
    """Eight large bodies, and one that takes what the shared budget still has."""
    rest = AT_ONCE - 8 * (SIZE - LEFT) - 500
    sizes = [(SIZE, SIZE - LEFT)] * 8 + [(rest, rest - 500)]
    clients = call_together(*[partial(begin_body, server, *size) for size in sizes])
    with ExitStack() as connections:
        yield [connections.enter_context(client) for client in clients]


def statuses_since_refusal(server: Server, clients: list[socket.socket]) -> list[tuple[float, int]]:
    """Ask for something small once a second. Seconds since the first refusal, and each status.

    Empty when nothing is refused.
    """
    small, first = large_text(200), time.monotonic()
    rows: list[tuple[float, int]] = []
    end = first + FILLED_S
    while (now := time.monotonic()) < end:
        status = server.ask("/v1/predict", small, timeout=5).status
        if status != 200 and not rows:
            first, end = now, now + SECONDS
        if status != 200 or rows:
            rows.append((now - first, status))
        for client in clients:
            with suppress(OSError):
                client.sendall(b"A")
        time.sleep(1)  # A byte a second is what is tried.
    return rows


def test_idle_bodies_do_not_keep_others_out(serve: Serve) -> None:
    with serve("sentiment") as server, slow_clients(server) as clients:
        statuses = statuses_since_refusal(server, clients)
    answered = sum(status == 200 for _, status in statuses)
    late = [status for passed, status in statuses if passed > PATIENCE]
    assert late or not statuses
    require(
        all(status == 200 for status in late),
        f"beside nine slow bodies {answered} of {len(statuses)} small requests are answered in the"
        f" {SECONDS} s from the first refusal on (the last: {''.join(map(str, late[-1:]))}); from"
        f" {PATIENCE} s on, all should be",
    )
