"""A body of 29 MiB is nothing but brackets. Another client asks whether the server lives."""

from __future__ import annotations

from tests.cases.server import STRANGER, Pulse, Serve
from tests.cases.verdict import require

PAIRS, ALLOWED = 10_400_000, 0.3


def test_brackets_are_refused_before_they_are_built(serve: Serve) -> None:
    body = b'{"instances":[' + b"[]," * PAIRS + b"[]]}"
    with serve("sentiment") as server:
        with Pulse(server) as pulse:
            answer = server.ask("/v1/predict", body, timeout=80, source=STRANGER)
        alive = server.ask("/v1/live").status
    worst = pulse.worst(0.99)
    require(
        400 <= answer.status < 500 and alive == 200 and worst < ALLOWED,
        f"{len(body) >> 20} MiB of brackets get {answer.status} after {answer.seconds:.1f} s, and"
        f" /v1/live beside it answers within {worst * 1000:.0f} ms (p99, longest"
        f" {pulse.worst(1) * 1000:.0f} ms); right: refused, and {ALLOWED * 1000:.0f} ms",
    )
