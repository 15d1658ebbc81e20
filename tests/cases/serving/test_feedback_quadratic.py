"""2,000 people labelled one text. What do the next hundred cost, beside a hundred of a new text?"""

from __future__ import annotations

import json
import time

from tests.cases.requests import json_body
from tests.cases.server import Serve, Server
from tests.cases.verdict import require

STORED, AT_ONCE, PATIENCE, ALLOWED = 2_000, 100, 120, 3.0

Row = dict[str, str]


def ask_about(server: Server, text: str) -> Row:
    """A prediction for a text, as the beginning of a label."""
    answer = server.ask("/v1/predict", json_body({"text": text}))
    prediction = json.loads(answer.body)["predictions"][0]
    return {"prediction": prediction["id"], "label": prediction["label"]}


def seconds_for_a_hundred(server: Server, row: Row, first: int = 0) -> float:
    """What a request with the labels of a hundred more people takes."""
    rows = [row | {"actor": f"person {first + at}"} for at in range(AT_ONCE)]
    answer = server.ask("/v1/feedback", json_body({"feedback": rows}))
    assert answer.status == 200, answer
    return answer.seconds


def test_labels_of_a_known_text_cost_what_those_of_a_new_one_do(serve: Serve) -> None:
    with serve("sentiment") as server:
        known, stored, began = ask_about(server, "profit rose by a third"), 0, time.monotonic()
        while stored < STORED and time.monotonic() - began < PATIENCE:
            seconds_for_a_hundred(server, known, stored)
            stored += AT_ONCE
        new, more = [], []
        for at in range(3):  # In turn, so that both meet the same machine.
            new_text = ask_about(server, f"orders of plant {at} fell")
            new.append(seconds_for_a_hundred(server, new_text))
            more.append(seconds_for_a_hundred(server, known, stored + AT_ONCE * at))
    first, last = min(new), min(more)
    require(
        stored >= STORED and last <= ALLOWED * first,
        f"with {stored:,} labels of one text recorded, a hundred more take {last * 1000:.0f} ms,"
        f" {last / first:.1f} times the {first * 1000:.0f} ms of a hundred of a new text;"
        f" {ALLOWED:.0f} times may be",
    )
