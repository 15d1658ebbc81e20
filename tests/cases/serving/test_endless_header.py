"""One header line does not end. How much of it is taken, and does anybody notice?"""

from __future__ import annotations

from contextlib import suppress

from tests.cases.server import Pulse, Serve, Server
from tests.cases.verdict import require

MOST, ALLOWED, SEND_S = 50, 8, 30
"""MiB that are sent, MiB that may be taken, and seconds in which a busy machine takes one."""
BLOCK = b"a" * (1 << 20)


def megabytes_taken(server: Server) -> int:
    """How many MiB of a header line the server takes until it closes the connection."""
    sent = 0
    with server.connect() as client, suppress(OSError):
        client.settimeout(SEND_S)
        client.sendall(b"GET /v1/live HTTP/1.1\r\nHost: x\r\nX-Long: ")
        while sent < MOST:
            client.sendall(BLOCK)
            sent += 1
    return sent


def test_an_endless_header_is_cut_off(serve: Serve) -> None:
    with serve("sentiment") as server:
        with Pulse(server, every=0.01) as pulse:
            sent = megabytes_taken(server)
        assert server.ask("/v1/live").status == 200
    require(
        sent < ALLOWED,
        f"{sent} of {MOST} MiB of one header line were taken; meanwhile /v1/live took up to"
        f" {pulse.worst(1):.1f} s",
    )
