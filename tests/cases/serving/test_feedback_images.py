"""Ten labels come at once, each with a small file that unpacks to ten million pixels.

The codec takes four times as many pixels, and then each figure here is four times as large.
"""

from __future__ import annotations

import base64

from tests.cases.images import black_png
from tests.cases.requests import json_body
from tests.cases.server import PeakMemory, Serve, call_together
from tests.cases.verdict import require

SIDE, CLIENTS, ALLOWED = 3_162, 10, 475


def test_images_of_labels_are_decoded_within_the_bound(serve: Serve) -> None:
    image = base64.b64encode(black_png(SIDE, alpha=True)).decode()
    body = json_body({"payload": {"image": image}, "label": "rust", "actor": "ana"})
    with serve("coffee") as server:
        with PeakMemory(server) as memory:
            answers = call_together(
                *[lambda: server.ask("/v1/feedback", body, timeout=80)] * CLIENTS
            )
        alive = server.ask("/v1/live").status
    statuses = sorted({answer.status for answer in answers})
    require(
        memory.peak < ALLOWED and alive == 200 and 0 not in statuses,
        f"{CLIENTS} labels with an image of {len(body) >> 10} KiB take the server from"
        f" {memory.before} to {memory.peak} MiB, answered {', '.join(map(str, statuses))};"
        f" {ALLOWED} MiB may be",
    )
