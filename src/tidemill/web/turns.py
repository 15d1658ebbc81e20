"""Whose turn it is: clients take turns, and so do the requests of one client."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

Waiting = TypeVar("Waiting")


class Turns(Generic[Waiting]):
    """Waiting jobs. A client that brings many waits for itself, not others for it."""

    def __init__(self) -> None:
        self._clients: OrderedDict[str, OrderedDict[Hashable, deque[Waiting]]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, client: str, request: Hashable, job: Waiting) -> None:
        """Add a job of one request at its end."""
        requests = self._clients.setdefault(client, OrderedDict())
        requests.setdefault(request, deque()).append(job)
        self._count += 1

    def take(self) -> Waiting:
        """Return the next job: the first of the request that has waited longest for its turn.

        Raises LookupError when nothing waits.
        """
        if not self._clients:
            raise LookupError("nothing waits")
        client, requests = next(iter(self._clients.items()))
        request, jobs = next(iter(requests.items()))
        job = jobs.popleft()
        self._count -= 1
        if jobs:
            requests.move_to_end(request)
        else:
            del requests[request]
        if requests:
            self._clients.move_to_end(client)
        else:
            del self._clients[client]
        return job
