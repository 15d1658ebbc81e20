"""200 clients hang up as soon as they have asked. Do their answers count as traffic?"""

from __future__ import annotations

import re
import time

from tests.cases.requests import TEXT, post_head
from tests.cases.server import Serve, Server
from tests.cases.verdict import require

CLIENTS, ALLOWED = 200, 20
SETTLED_S = 4
"""Seconds after which whatever was going to be answered has been; no event tells that."""
LIVE = re.compile(r'^tidemill_predictions_total\{.*kind="live".*\} (\S+)$', re.MULTILINE)


def live_answers(server: Server) -> float:
    """Answers that were counted, and so logged, as live."""
    return sum(map(float, LIVE.findall(server.ask("/metrics").body.decode())))


def test_answers_that_nobody_waits_for_are_no_traffic(serve: Serve) -> None:
    with serve("sentiment") as server:
        before = live_answers(server)
        assert server.ask("/v1/predict", TEXT).status == 200
        assert live_answers(server) == before + 1, "live answers are counted in another way"
        for _ in range(CLIENTS):
            with server.connect() as client:
                client.sendall(post_head("/v1/predict", len(TEXT)) + TEXT)
        time.sleep(SETTLED_S)
        counted = live_answers(server) - before - 1
    require(
        counted <= ALLOWED,
        f"of {CLIENTS} clients that hung up at once, {counted:.0f} answers are logged and counted"
        f" as live; {ALLOWED} may be",
    )
