"""1,100 connections on which nothing is ever said, to a server that may have 1,024 files open."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from tests.cases.requests import TEXT
from tests.cases.server import Serve, Server
from tests.cases.verdict import require

SOCKETS, DESCRIPTORS, SECONDS, PATIENCE, PAUSE_S = 1_100, 1_024, 25, 15, 0.5


@contextmanager
def descriptor_limit(count: int) -> Iterator[None]:
    """How many files this process and those that it starts may have open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def open_silent_sockets(server: Server, sockets: ExitStack) -> None:
    """Open as many as the server takes in the time."""
    began = time.monotonic()
    for _ in range(SOCKETS):
        if time.monotonic() - began < PATIENCE:
            with suppress(OSError):
                sockets.enter_context(server.connect())


def test_silent_connections_do_not_keep_others_out(serve: Serve) -> None:
    with ExitStack() as stack:
        with descriptor_limit(DESCRIPTORS):  # The server inherits it.
            server = stack.enter_context(serve("sentiment"))
        stack.enter_context(descriptor_limit(2 * SOCKETS))
        open_silent_sockets(server, stack)
        began, statuses = time.monotonic(), []
        while (passed := time.monotonic() - began) < SECONDS:
            statuses.append((passed, server.ask("/v1/predict", TEXT, timeout=3).status))
            time.sleep(PAUSE_S)
    answered = sum(status == 200 for _, status in statuses)
    late = [status for passed, status in statuses if passed > PATIENCE]
    assert late
    require(
        all(status == 200 for status in late),
        f"beside {SOCKETS} silent connections {answered} of {len(statuses)} requests in {SECONDS} s"
        f" are answered (0 is a reset or no answer; the last: {late[-1]}); from {PATIENCE} s on,"
        " all should be",
    )
