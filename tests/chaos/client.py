"""A client that sends payloads and labels without pause, and keeps every acknowledged id."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle

import httpx

from tidemill.domain.types import Example
from tidemill.testing.tiny_recipe.pebbles import TARGET

FEEDBACK_BATCH = 50
"""Labels in one request."""
PREDICT_BATCH = 4
"""Pebbles in one request."""
PAUSE_S = 0.02
SECONDS = 60.0


class Client:
    """Two threads: one sends payloads until it is stopped, the other gives each label once.

    A request without acknowledgement is sent again. `predicted` and `acknowledged` hold the ids
    that came with a 200, and nothing else.
    """

    def __init__(self, url: Callable[[], str], labelled: Sequence[Example]) -> None:
        """`url` says where the server is now: it moves when the server is started again."""
        self.predicted: list[str] = []
        self.acknowledged: list[str] = []
        self.faults: list[str] = []
        self.done = threading.Event()
        """All labels were acknowledged."""
        self._url = url
        self._labelled = labelled
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=work, daemon=True)
            for work in (self._send_payloads, self._send_feedback)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let both finish their request and leave."""
        self._stop.set()
        for thread in self._threads:
            thread.join(SECONDS)
            assert not thread.is_alive()

    def _send_payloads(self) -> None:
        with httpx.Client(timeout=SECONDS, trust_env=False) as http:
            for few in cycle(list(_batches(self._labelled, PREDICT_BATCH))):
                if self._stop.wait(PAUSE_S):
                    return
                self._predict(http, few)

    def _send_feedback(self) -> None:
        """Every second request is about predictions, the others bring their payloads."""
        with httpx.Client(timeout=SECONDS, trust_env=False) as http:
            for turn, examples in enumerate(_batches(self._labelled, FEEDBACK_BATCH)):
                if turn % 2:
                    about = [{"prediction": id} for id in self._predict(http, examples)]
                else:
                    about = [{"payload": json.loads(row.payload)} for row in examples]
                if len(about) < len(examples):
                    return  # stopped before the reply
                labels = [{"label": row.labels[TARGET], "actor": "bob"} for row in examples]
                rows = [{**what, **label} for what, label in zip(about, labels, strict=True)]
                self.acknowledged += self._post(
                    http, "/v1/feedback", {"feedback": rows}, "feedback"
                )
        if len(self.acknowledged) == len(self._labelled):
            self.done.set()

    def _predict(self, http: httpx.Client, examples: Sequence[Example]) -> list[str]:
        rows = [json.loads(row.payload) for row in examples]
        ids = self._post(http, "/v1/predict", {"instances": rows}, "predictions")
        self.predicted += ids
        return ids

    def _post(self, http: httpx.Client, path: str, body: object, name: str) -> list[str]:
        """The ids that came with a 200, however often it takes; none once it is stopped."""
        while not self._stop.is_set():
            try:
                response = http.post(f"{self._url()}{path}", json=body)
            except httpx.TransportError:
                # The server was killed, or has not come back yet.
                self._stop.wait(PAUSE_S)
                continue
            if response.status_code == httpx.codes.OK:
                return [str(row["id"]) for row in response.json()[name]]
            if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                self.faults.append(f"{path}: {response.status_code} {response.text}")
                return []
            self._stop.wait(PAUSE_S)
        return []


def _batches(examples: Sequence[Example], size: int) -> Iterator[Sequence[Example]]:
    return (examples[at : at + size] for at in range(0, len(examples), size))
