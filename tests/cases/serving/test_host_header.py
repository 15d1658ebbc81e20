"""A page whose name was made to point at the loopback address asks with its own name as Host."""

from __future__ import annotations

from tests.cases.requests import TEXT
from tests.cases.server import Serve
from tests.cases.verdict import require

HOST = "evil.example"


def test_a_foreign_host_is_refused_on_loopback(serve: Serve) -> None:
    with serve("sentiment") as server:
        own = server.ask("/v1/predict", TEXT, headers={"Host": f"localhost:{server.port}"})
        assert own.status == 200, own
        statuses = [
            server.ask("/v1/predict", TEXT, headers={"Host": HOST}).status,
            server.ask("/v1/events", headers={"Host": HOST}).status,
        ]
    require(
        all(400 <= status < 500 for status in statuses),
        f"asked as {HOST}, a server on the loopback address answers /v1/predict and /v1/events with"
        f" {' and '.join(map(str, statuses))}; a name that is not the server's own must be refused",
    )
