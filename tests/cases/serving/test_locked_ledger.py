"""Another process holds the ledger's write lock while 45 labels come. Is anything else answered?"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from tests.cases.requests import json_body, large_text
from tests.cases.server import Answer, Serve, Server
from tests.cases.verdict import require

LABELS, CLIENTS, ALLOWED = 45, 60, 1.0
HEAD_START_S = 1
"""Seconds in which all labels have come to the server; no event tells that."""


@contextmanager
def locked(ledger: Path) -> Iterator[None]:
    """Hold the write lock of a ledger."""
    with closing(sqlite3.connect(ledger, isolation_level=None)) as lock:
        lock.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            lock.execute("ROLLBACK")


def answers_beside_labels(server: Server, row: dict[str, str]) -> dict[str, Answer]:
    """The answer to each other request while the labels wait for the lock."""
    with ThreadPoolExecutor(CLIENTS) as pool, locked(server.home / "ledger.sqlite"):
        for at in range(LABELS):
            label = json_body({**row, "actor": f"actor {at}"})
            pool.submit(server.ask, "/v1/feedback", label)
        time.sleep(HEAD_START_S)
        reads = ("/v1/live", "/metrics", "/v1/models")
        asks = {path: partial(server.ask, path) for path in reads}
        asks["a predict of 300 kB"] = partial(server.ask, "/v1/predict", large_text(25_000))
        running = {name: pool.submit(ask) for name, ask in asks.items()}
        answers = {name: answer.result() for name, answer in running.items()}
    statuses = {name: answer.status for name, answer in answers.items()}
    assert set(statuses.values()) <= {0, 200, 503}, statuses
    return answers


def test_what_only_reads_does_not_wait_for_the_ledger(serve: Serve) -> None:
    with serve("sentiment") as server:
        answer = server.ask("/v1/predict", json_body({"text": "profit rose"}))
        prediction = json.loads(answer.body)["predictions"][0]
        row = {"prediction": prediction["id"], "label": "positive"}
        answers = answers_beside_labels(server, row)
    slow = [
        f"{name} {answer.seconds:.1f} s"
        for name, answer in answers.items()
        if answer.seconds > ALLOWED or not answer.status
    ]
    require(not slow, f"what only reads waits as well: {', '.join(slow)}")
