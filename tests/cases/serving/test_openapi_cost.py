"""Four clients read the list of routes without pause. Another asks whether the server lives."""

from __future__ import annotations

import http.client
import time
from contextlib import closing
from functools import partial

from tests.cases.server import Pulse, Serve, Server, call_together
from tests.cases.verdict import require

SECONDS, CLIENTS, WANTED, ALLOWED = 6, 4, 300, 0.15


def count_reads(server: Server) -> int:
    """How often one client reads the list in the time, on one connection."""
    count, end = 0, time.monotonic() + SECONDS
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        while time.monotonic() < end:
            connection.request("GET", "/openapi.json")
            response = connection.getresponse()
            assert response.read()
            assert response.status == 200
            count += 1
    return count


def test_the_list_of_routes_is_cheap(serve: Serve) -> None:
    with serve("sentiment") as server, Pulse(server) as pulse:
        counts = call_together(*[partial(count_reads, server)] * CLIENTS)
    rate, worst = sum(counts) / SECONDS, pulse.worst(0.99)
    require(
        rate >= WANTED and worst <= ALLOWED,
        f"/openapi.json is answered {rate:.0f} times a second, and /v1/live beside it within"
        f" {worst * 1000:.0f} ms (p99); wanted {WANTED} and {ALLOWED * 1000:.0f} ms",
    )
