"""A far slower version is proved while people ask. What do they notice?"""

from __future__ import annotations

import time

from tests.cases.requests import TEXT
from tests.cases.server import Pulse, Serve, quantile_of
from tests.cases.verdict import require
from tests.cases.versions import promote_copy, slower, wait_until_served

PRODUCTS, TIMES, LEAST_S, QUIET_S, EVERY_S = 10, 3.0, 0.05, 4, 0.03


def test_the_proof_of_a_slower_version_is_not_noticed(serve: Serve) -> None:
    with serve("sentiment") as server:
        with Pulse(server, "/v1/predict", TEXT, every=EVERY_S) as quiet:
            time.sleep(QUIET_S)  # A time without a proof is what the other is compared with.
        version = promote_copy(server.home, slower(PRODUCTS))
        with Pulse(server, "/v1/predict", TEXT, every=EVERY_S) as busy:
            began = time.monotonic()
            wait_until_served(server, version, patience=180)
            proved = time.monotonic() - began
        after = server.ask("/v1/predict", TEXT).seconds
    assert all(answer.status == 200 for answer in busy.answers), busy.answers[-1]
    pairs = zip(busy.seconds, busy.answers, strict=True)
    old = [seconds for seconds, answer in pairs if b'"v1"' in answer.body]
    before, during = quiet.worst(0.9), quantile_of(old, 0.9)
    allowed = max(TIMES * before, LEAST_S)
    require(
        during <= allowed,
        f"while a version that takes {after * 1000:.0f} ms was proved for {proved:.0f} s, answers"
        f" of the old one took {during * 1000:.0f} ms (p90) in place of {before * 1000:.0f};"
        f" {allowed * 1000:.0f} may be",
    )
