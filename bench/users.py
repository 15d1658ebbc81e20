"""Users that ask a server of pebbles without pause, and keep what was acknowledged."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from itertools import cycle
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tidemill.domain.types import Example

PATIENCE_S = 60.0
PAUSE_S = 0.02
"""Before a user tries again at a server that does not answer."""
HEADERS = {"Content-Type": "application/json"}


class Users:
    """Each sends one pebble, waits for the answer, and sends the next on the same connection.

    `answered` has the ids of the predictions that came with a 200, `versions` counts who gave them,
    and `faults` every other outcome. A connection that ends is a fault, unless `may_end` says that
    the server was killed; then the user goes on at its new address.
    """

    def __init__(
        self,
        url: Callable[[], str],
        count: int,
        pebbles: Sequence[Example],
        *,
        may_end: bool = False,
    ) -> None:
        self.answered: list[str] = []
        self.versions: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._url = url
        self._may_end = may_end
        self._bodies = [pebble.payload for pebble in pebbles]
        self._counting = threading.Condition()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=[at], daemon=True) for at in range(count)
        ]

    def wait_for_answers(self, more: int) -> None:
        """Return after so many more answers. Raises TimeoutError without any for a minute."""
        with self._counting:
            wanted = len(self.answered) + more
            while (before := len(self.answered)) < wanted:
                self._counting.wait(PATIENCE_S)
                if len(self.answered) == before:
                    raise TimeoutError(f"No answer within {PATIENCE_S:g} s: {self.faults}")

    def _ask(self, place: int) -> None:
        bodies = cycle(self._bodies[place:] + self._bodies[:place])
        while not self._over.is_set():
            address = urlsplit(self._url())
            connection = HTTPConnection(address.hostname or "", address.port, timeout=PATIENCE_S)
            with closing(connection):
                try:
                    while not self._over.is_set():
                        self._send(connection, next(bodies))
                except (HTTPException, OSError) as error:
                    if not self._may_end:
                        self._count_fault(type(error).__name__)
            self._over.wait(PAUSE_S)

    def _send(self, connection: HTTPConnection, body: bytes) -> None:
        connection.request("POST", "/v1/predict", body, HEADERS)
        response = connection.getresponse()
        content = json.loads(response.read())
        if response.status != 200:
            self._count_fault(f"{response.status} {content}")
            return
        [row] = content["predictions"]
        with self._counting:
            self.answered.append(row["id"])
            self.versions[row["version"]] += 1
            self._counting.notify_all()

    def _count_fault(self, fault: str) -> None:
        with self._counting:
            self.faults[fault] += 1

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)
