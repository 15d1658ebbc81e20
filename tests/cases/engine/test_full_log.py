"""A traffic log reached its bound, and an engine drained all of it. Is there room again?"""

from __future__ import annotations

from tests.cases.commands import tick
from tests.cases.requests import large_text
from tests.cases.server import Serve, wait_until
from tests.cases.verdict import falls_short, require

MOST, PATIENCE = 500, 2.0


@falls_short("engine", "a full log that was drained answers 503 for ever; there must be room again")
def test_a_full_log_takes_answers_again_once_it_is_drained(serve: Serve) -> None:
    large = large_text(1_700)
    with serve("sentiment", TIDEMILL_TRAFFIC_MAX_MB="1") as server:
        answered = 0
        while (status := server.ask("/v1/predict", large).status) == 200 and answered < MOST:
            answered += 1
        assert status == 503, f"the log is not full after {answered} answers: {status}"
        drained = tick(server.home)["drained"]
        assert drained >= answered
        room = wait_until(lambda: server.ask("/v1/predict", large).status == 200, PATIENCE)
        after = server.ask("/v1/predict", large).status
    require(
        room,
        f"the log was full after {answered} answers, {drained} rows were drained, and the next"
        f" request still gets {after}",
    )
