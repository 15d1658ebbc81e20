"""A second client gives another label under ana's name. And names hold control characters."""

from __future__ import annotations

import json

from tests.cases.commands import feedback_rows
from tests.cases.requests import TEXT, json_body
from tests.cases.server import Answer, Serve
from tests.cases.verdict import require

CONTROLS = ("ana\r\nbob", "a\x1b[2Jb")


def test_a_name_that_nobody_proved_takes_no_label_over(serve: Serve) -> None:
    with serve("sentiment") as server:
        prediction = json.loads(server.ask("/v1/predict", TEXT).body)["predictions"][0]

        def give(label: str, actor: str) -> Answer:
            row = {"prediction": prediction["id"], "label": label, "actor": actor}
            return server.ask("/v1/feedback", json_body(row))

        first, second = list(prediction["probabilities"])[:2]
        own = give(first, "ana")
        assert own.status == 200, own
        id = json.loads(own.body)["feedback"][0]["id"]
        foreign = give(second, "ana")
        controls = sorted({give(second, actor).status for actor in CONTROLS})
        statuses = {row["id"]: row["status"] for row in feedback_rows(server.home)}
    require(
        statuses[id] != "superseded" and all(400 <= status < 500 for status in controls),
        f"ana's label is {statuses[id]} after a second client spoke as ana ({foreign.status});"
        f" names with control characters get {', '.join(map(str, controls))}; right: not"
        " superseded, and 422",
    )
