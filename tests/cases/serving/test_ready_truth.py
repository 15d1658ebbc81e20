"""The traffic log has reached its bound, so nothing can be answered. Is the server ready?"""

from __future__ import annotations

import time

from tests.cases.requests import large_text
from tests.cases.server import Serve
from tests.cases.verdict import require

MOST, NOTICED_S = 500, 2
"""Requests that fill the log, and seconds in which readiness may follow."""


def test_a_server_that_cannot_answer_is_not_ready(serve: Serve) -> None:
    large = large_text(1_700)
    with serve("sentiment", TIDEMILL_TRAFFIC_MAX_MB="1") as server:
        answered = 0
        while (refused := server.ask("/v1/predict", large).status) == 200 and answered < MOST:
            answered += 1
        assert refused == 503, f"the log is not full after {answered} answers: {refused}"
        time.sleep(NOTICED_S)
        ready = server.ask("/v1/ready")
        again = server.ask("/v1/predict", large).status
    require(
        ready.status == (200 if again == 200 else 503),
        f"after {answered} answers /v1/predict says {again}, and /v1/ready says {ready.status}"
        f" {ready.body.decode()[:80]}",
    )
