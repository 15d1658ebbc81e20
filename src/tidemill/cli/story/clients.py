"""Closed-loop clients: each asks, waits for the answer, and asks again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

import httpx

CLIENTS = 4


@dataclass(frozen=True, slots=True)
class Reply:
    """What a client received. `status` 0 means that the connection broke and nothing came."""

    asked: float
    answered: float
    status: int
    id: str
    version: str
    said: str

    @property
    def ok(self) -> bool:
        return self.status == httpx.codes.OK


class Crowd:
    """Clients that share a list of pictures and a counter, and keep every reply."""

    def __init__(self, url: str, pictures: Sequence[bytes], *, most: int | None = None) -> None:
        self.replies: list[Reply] = []
        self._url = url
        self._pictures = pictures
        self._most = most
        self._next = count()
        self._stop = threading.Event()
        self._arrived = threading.Condition()

    def wait(self, replies: int, seconds: float = 60.0) -> None:
        """Until so many replies came; raises TimeoutError when they do not."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.replies) >= replies, seconds):
                raise TimeoutError(f"{len(self.replies)} of {replies} replies in {seconds} s")

    def stop(self) -> None:
        """Let every client finish its request and leave."""
        self._stop.set()

    def work(self) -> None:
        """One client's life."""
        with httpx.Client(base_url=self._url, timeout=60) as client:
            while not self._stop.is_set():
                number = next(self._next)
                if self._most is not None and number >= self._most:
                    return
                reply = _ask(client, self._pictures[number % len(self._pictures)])
                with self._arrived:
                    self.replies.append(reply)
                    self._arrived.notify_all()
                if reply.status == 0:
                    return


@contextmanager
def crowd(url: str, pictures: Sequence[bytes], *, most: int | None = None) -> Iterator[Crowd]:
    """Clients at work; leaving the block stops them, or waits until `most` are answered."""
    people = Crowd(url, pictures, most=most)
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


def _ask(client: httpx.Client, picture: bytes) -> Reply:
    asked = time.monotonic()
    try:
        response = client.post("/v1/predict", files={"file": picture})
    except httpx.TransportError as error:
        return Reply(asked, time.monotonic(), 0, "", "", type(error).__name__)
    answered = time.monotonic()
    if response.status_code != httpx.codes.OK:
        code = response.json()["error"]["code"]
        return Reply(asked, answered, response.status_code, "", "", code)
    (row,) = response.json()["predictions"]
    return Reply(asked, answered, 200, row["id"], row["version"], row["label"])
