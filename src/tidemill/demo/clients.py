"""Closed-loop clients: each asks, waits for the answer, and asks again."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx

from tidemill.domain.types import payload_id

CLIENTS = 4
CUT_OFF = ("ReadError", "RemoteProtocolError")
"""The faults of a request that had been sent when its connection broke."""

Form = Callable[[bytes], Mapping[str, Any]]
"""How a payload is asked about: keyword arguments of an httpx request (`files`, `json`)."""


def as_file(payload: bytes) -> Mapping[str, Any]:
    """As a form with a file."""
    return {"files": {"file": payload}}


def as_text(payload: bytes) -> Mapping[str, Any]:
    """As JSON, for payloads that are UTF-8 text."""
    return {"json": {"text": payload.decode()}}


def as_json(payload: bytes) -> Mapping[str, Any]:
    """As the JSON that the payload is itself."""
    return {"json": json.loads(payload)}


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said about one item for one target."""

    target: str
    item: str
    label: str
    probabilities: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a client received for `payload`, an example id.

    `fault` is the server's code for an error, or the name of the exception that kept the client
    from an answer; with an answer it is empty. `status` 0 means that no response came. What was
    heard is sorted by item and target; `label` and `probabilities` are those of the first.
    """

    payload: str
    asked: float
    answered: float
    status: int = 0
    fault: str = ""
    id: str = ""
    version: str = ""
    heard: tuple[Heard, ...] = ()

    @property
    def label(self) -> str:
        return self.heard[0].label if self.heard else ""

    @property
    def probabilities(self) -> Mapping[str, float]:
        return self.heard[0].probabilities if self.heard else {}

    @property
    def ok(self) -> bool:
        return self.status == httpx.codes.OK and not self.fault

    @property
    def cut_off(self) -> bool:
        """True when the server had the request and went away before it answered."""
        return self.status == 0 and self.fault in CUT_OFF


class Crowd:
    """Clients that share a list of payloads, take them in turn, and keep every reply.

    `begun` counts the requests. Once the clients are gone there is a reply to each of them,
    whatever went wrong; `lost` says how many are missing.
    """

    def __init__(
        self,
        url: str,
        payloads: Sequence[bytes],
        form: Form = as_file,
        *,
        most: int | None = None,
        pause: float = 0.0,
    ) -> None:
        self.begun = 0
        self.replies: list[Reply] = []
        self._url = url
        self._payloads = payloads
        self._form = form
        self._most = most
        self._pause = pause
        self._stop = threading.Event()
        self._arrived = threading.Condition()

    @property
    def lost(self) -> int:
        """Requests without a reply; not zero for finished clients only if one of them died."""
        return self.begun - len(self.replies)

    def wait(self, replies: int, seconds: float = 60.0) -> None:
        """Until so many replies came; raises TimeoutError when they do not."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.replies) >= replies, seconds):
                raise TimeoutError(f"{len(self.replies)} of {replies} replies in {seconds} s")

    def stop(self) -> None:
        """Let every client finish its request and leave."""
        self._stop.set()

    def work(self) -> None:
        """One client's life. It ends with `stop`, with `most`, or when the server is gone."""
        with httpx.Client(base_url=self._url, timeout=60) as client:
            while (payload := self._begin()) is not None:
                reply = ask(client, payload, self._form)
                with self._arrived:
                    self.replies.append(reply)
                    self._arrived.notify_all()
                if reply.status == 0:
                    return
                self._stop.wait(self._pause)

    def _begin(self) -> bytes | None:
        with self._arrived:
            if self._stop.is_set() or self.begun == self._most:
                return None
            self.begun += 1
            return self._payloads[(self.begun - 1) % len(self._payloads)]


@contextmanager
def crowd(
    url: str,
    payloads: Sequence[bytes],
    form: Form = as_file,
    *,
    most: int | None = None,
    pause: float = 0.0,
) -> Iterator[Crowd]:
    """Clients at work, each thinking for `pause` seconds between an answer and the next question.

    Leaving the block stops them, or waits until `most` are answered.
    """
    people = Crowd(url, payloads, form, most=most, pause=pause)
    threads = [threading.Thread(target=people.work, daemon=True) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield people
    finally:
        if most is None:
            people.stop()
        for thread in threads:
            thread.join()


def ask(client: httpx.Client, payload: bytes, form: Form = as_file) -> Reply:
    """Ask about one payload. Raises nothing: whatever goes wrong is in the reply."""
    reply = Reply(payload_id(payload), time.monotonic(), 0.0)
    try:
        response = client.post("/v1/predict", **form(payload))
        reply = replace(reply, status=response.status_code)
        reply = _read(reply, response)
    except Exception as error:  # noqa: BLE001  a client that died here would not be counted
        reply = replace(reply, fault=type(error).__name__)
    return replace(reply, answered=time.monotonic())


def _read(reply: Reply, response: httpx.Response) -> Reply:
    body = response.json()
    if response.status_code != httpx.codes.OK:
        return replace(reply, fault=str(body["error"]["code"] or "unnamed"))
    rows = body["predictions"]
    # Entries of one payload share the prediction; a client that gets another's is not answered.
    ((id, version),) = {(row["id"], row["version"]) for row in rows}
    heard = [
        Heard(str(row["target"]), str(row["item"]), str(row["label"]), dict(row["probabilities"]))
        for row in rows
    ]
    heard.sort(key=lambda said: (said.item, said.target))
    return replace(reply, id=str(id), version=str(version), heard=tuple(heard))
