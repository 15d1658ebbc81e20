"""The client of a load, a process of its own: `python -m tidemill.testing.load_client`.

A `LoadPlan` comes in on stdin and the fields of a `LoadResult` go out on stdout, both as one JSON
object. Closed loop: every user sends a request, waits for the response, and sends the next on the
same connection.

http.client rather than httpx: it costs a third of the processor time per request, and whatever the
client computes would count as the server's time. For the same reason all bodies are built before
the clock starts.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from itertools import count
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

Form = Literal["multipart", "json", "live"]
"""A file in a form; an image in base64; or no payload: the floor of HTTP and of this client."""

BOUNDARY = "tidemill-bench"
PATIENCE = 60.0
OK = 200


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What to send. `requests` is the sum over all users; each warms up with `warmup` more.

    `images` are files, each with one payload; they are sent in turn.
    """

    url: str
    form: Form
    users: int
    requests: int
    warmup: int
    images: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """A request, ready to be sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes | None = None


class LoadClient:
    """The users of one plan."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._requests = build_requests(plan)
        self._next = count()
        self._ms = [0.0] * plan.requests
        self._faults: Counter[str] = Counter()
        self._started = self._ended = 0.0
        self._lock = threading.Lock()
        self._gate = threading.Barrier(plan.users, action=self._start, timeout=PATIENCE)

    def run(self) -> dict[str, object]:
        """Send everything; returns the fields of a `LoadResult`."""
        with ThreadPoolExecutor(self._plan.users) as pool:
            for user in [pool.submit(self._user) for _ in range(self._plan.users)]:
                user.result()  # raises what went wrong in there
        seconds = self._ended - self._started
        return {"seconds": seconds, "ms": self._ms, "faults": dict(self._faults)}

    def _start(self) -> None:
        self._started = time.perf_counter()

    def _user(self) -> None:
        address = urlsplit(self._plan.url)
        connection = HTTPConnection(address.hostname or "", address.port, timeout=PATIENCE)
        for number in range(self._plan.warmup):
            send(connection, self._requests[number % len(self._requests)])
        self._gate.wait()
        while (number := next(self._next)) < self._plan.requests:
            sent_at = time.perf_counter()
            fault = send(connection, self._requests[number % len(self._requests)])
            self._ms[number] = (time.perf_counter() - sent_at) * 1000
            if fault:
                with self._lock:
                    self._faults[fault] += 1
        with self._lock:
            self._ended = max(self._ended, time.perf_counter())
        connection.close()


def send(connection: HTTPConnection, request: LoadRequest) -> str:
    """Send one request and read the whole response; the fault, or an empty text."""
    try:
        connection.request(request.method, request.path, request.body, request.headers)
        response = connection.getresponse()
        response.read()
    except (HTTPException, OSError) as error:
        connection.close()
        return type(error).__name__
    if response.status != OK:
        return str(response.status)
    # http.client would silently open another connection, and the times would be of that.
    return "" if connection.sock else "connection not kept alive"


def build_requests(plan: LoadPlan) -> list[LoadRequest]:
    """Return one request for each image."""
    if plan.form == "live":
        return [LoadRequest("GET", "/v1/live", {})]
    images = [Path(name).read_bytes() for name in plan.images]
    if plan.form == "json":
        kind, bodies = "application/json", [_as_json(image) for image in images]
    else:
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        bodies = [_as_form(image) for image in images]
    return [LoadRequest("POST", "/v1/predict", {"Content-Type": kind}, body) for body in bodies]


def _as_json(image: bytes) -> bytes:
    return json.dumps({"image": base64.b64encode(image).decode()}).encode()


def _as_form(image: bytes) -> bytes:
    head = (
        f"--{BOUNDARY}\r\n"
        'Content-Disposition: form-data; name="file"; filename="leaf"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode() + image + f"\r\n--{BOUNDARY}--\r\n".encode()


if __name__ == "__main__":
    json.dump(LoadClient(LoadPlan(**json.load(sys.stdin))).run(), sys.stdout)
