"""Closed-loop clients: each sends a payload, waits for the reply, and sends the next."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import httpx

from tidemill.domain.hosts import reaches_this_machine
from tidemill.domain.types import payload_id

CLIENTS = 4
CUT_OFF = ("ReadError", "RemoteProtocolError")
"""The faults of a request that was sent when its connection broke."""

PayloadFormat = Callable[[bytes], Mapping[str, Any]]
"""How a payload is sent: keyword arguments of an httpx request (`files`, `json`)."""


def as_multipart(payload: bytes) -> Mapping[str, Any]:
    """Send the payload as a file of a form."""
    return {"files": {"file": payload}}


def as_text(payload: bytes) -> Mapping[str, Any]:
    """Send a UTF-8 text as JSON."""
    return {"json": {"text": payload.decode()}}


def as_json(payload: bytes) -> Mapping[str, Any]:
    """Send the JSON that the payload is itself."""
    return {"json": json.loads(payload)}


@dataclass(frozen=True, slots=True)
class ReplyAnswer:
    """The answer for one target and item of a reply."""

    target: str
    item: str
    label: str
    probabilities: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a client received for `payload`, an example id.

    `fault` is the server's error code, or the name of the exception that kept the client from a
    reply; it is empty for a good reply. `status` 0 means that no response came. `answers` are
    sorted by item and target; `label` and `probabilities` are those of the first.
    """

    payload: str
    sent_at: float
    received_at: float
    status: int = 0
    fault: str = ""
    id: str = ""
    version: str = ""
    answers: tuple[ReplyAnswer, ...] = ()

    @property
    def label(self) -> str:
        return self.answers[0].label if self.answers else ""

    @property
    def probabilities(self) -> Mapping[str, float]:
        return self.answers[0].probabilities if self.answers else {}

    @property
    def ok(self) -> bool:
        return self.status == httpx.codes.OK and not self.fault

    @property
    def cut_off(self) -> bool:
        """True when the server had the request and went away before it replied."""
        return self.status == 0 and self.fault in CUT_OFF


class ClientPool:
    """Clients that share a list of payloads, send them in turn, and keep every reply.

    `sent` counts the requests. When the clients have ended there is a reply to each request,
    whatever went wrong; `missing` counts the others.
    """

    def __init__(
        self,
        url: str,
        payloads: Sequence[bytes],
        request_format: PayloadFormat = as_multipart,
        *,
        limit: int | None = None,
        pause: float = 0.0,
    ) -> None:
        self.sent = 0
        self.replies: list[Reply] = []
        self._url = url
        self._payloads = payloads
        self._format = request_format
        self._limit = limit
        self._pause = pause
        self._stop = threading.Event()
        self._arrived = threading.Condition()

    @property
    def missing(self) -> int:
        """Requests without a reply; above zero after the end only if a client died."""
        return self.sent - len(self.replies)

    def wait(self, replies: int, seconds: float = 60.0) -> None:
        """Wait for that many replies. Raises TimeoutError."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.replies) >= replies, seconds):
                raise TimeoutError(f"{len(self.replies)} of {replies} replies in {seconds} s")

    def stop(self) -> None:
        """Let every client finish its request and end."""
        self._stop.set()

    def run_client(self) -> None:
        """Run one client until `stop`, until `limit`, or until the server is gone."""
        with httpx.Client(
            base_url=self._url,
            timeout=60,
            verify=_certificates(),
            # A proxy of the environment does not reach a server of this machine.
            trust_env=not reaches_this_machine(httpx.URL(self._url).host),
        ) as client:
            while (payload := self._next_payload()) is not None:
                reply = send_payload(client, payload, self._format)
                with self._arrived:
                    self.replies.append(reply)
                    self._arrived.notify_all()
                if reply.status == 0:
                    return
                self._stop.wait(self._pause)

    def _next_payload(self) -> bytes | None:
        with self._arrived:
            if self._stop.is_set() or self.sent == self._limit:
                return None
            self.sent += 1
            return self._payloads[(self.sent - 1) % len(self._payloads)]


@contextmanager
def run_clients(
    url: str,
    payloads: Sequence[bytes],
    request_format: PayloadFormat = as_multipart,
    *,
    limit: int | None = None,
    pause: float = 0.0,
) -> Iterator[ClientPool]:
    """Run clients in the background; each pauses so many seconds between reply and next request.

    Leaving the block stops them, or waits for the replies to `limit` requests.
    """
    clients = ClientPool(url, payloads, request_format, limit=limit, pause=pause)
    threads = [threading.Thread(target=clients.run_client, daemon=True) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield clients
    finally:
        if limit is None:
            clients.stop()
        for thread in threads:
            thread.join()


@cache
def _certificates() -> ssl.SSLContext:
    """Return what httpx would read anew for each client, also for one that needs none."""
    return httpx.create_ssl_context()


def send_payload(
    client: httpx.Client, payload: bytes, request_format: PayloadFormat = as_multipart
) -> Reply:
    """Send one payload. Raises nothing: whatever goes wrong is in the reply."""
    reply = Reply(payload_id(payload), time.monotonic(), 0.0)
    try:
        response = client.post("/v1/predict", **request_format(payload))
        reply = replace(reply, status=response.status_code)
        reply = _read_response(reply, response)
    except Exception as error:  # noqa: BLE001  a client that died here would not be counted
        reply = replace(reply, fault=type(error).__name__)
    return replace(reply, received_at=time.monotonic())


def _read_response(reply: Reply, response: httpx.Response) -> Reply:
    body = response.json()
    if response.status_code != httpx.codes.OK:
        return replace(reply, fault=str(body["error"]["code"] or "unnamed"))
    rows = body["predictions"]
    # The entries of one payload share a prediction; two ids mean somebody else's answer.
    ((id, version),) = {(row["id"], row["version"]) for row in rows}
    answers = [
        ReplyAnswer(
            str(row["target"]), str(row["item"]), str(row["label"]), dict(row["probabilities"])
        )
        for row in rows
    ]
    answers.sort(key=lambda answer: (answer.item, answer.target))
    return replace(reply, id=str(id), version=str(version), answers=tuple(answers))
