"""A form sends a person's name with a blank behind it. Is she one person, or two in conflict?"""

from __future__ import annotations

import json

from tests.cases.commands import feedback_rows, tick
from tests.cases.server import Serve, Server
from tests.cases.verdict import require


def give(server: Server, label: str, actor: str) -> int:
    payload = {"text": "orders of the northern plant rose"}
    body = {"payload": payload, "label": label, "actor": actor}
    return server.ask("/v1/feedback", json.dumps(body).encode()).status


def test_a_name_with_a_blank_is_the_same_person(serve: Serve) -> None:
    with serve("sentiment") as server:
        padded, plain = give(server, "negative", "ana "), give(server, "positive", "ana")
        assert plain == 200
        assert padded in range(200, 500)
        tick(server.home)
        statuses = [row["status"] for row in feedback_rows(server.home)]
    require(
        padded >= 400 or "accepted" in statuses,
        f"'ana ' and 'ana' get {padded} and {plain}, and her labels become"
        f" {' and '.join(statuses)}; the later one should stand",
    )
