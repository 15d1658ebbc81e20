"""Threads for one kind of work that waits for something, so that no other kind waits with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread

from tidemill.domain.errors import Overloaded

T = TypeVar("T")


class Work:
    """A few threads, and a bound on what waits for them."""

    def __init__(self, name: str, *, threads: int, max_waiting: int) -> None:
        self._name = name
        self._limiter = CapacityLimiter(threads)
        self._max_waiting = max_waiting

    async def run(self, function: Callable[..., T], *args: Any, **options: Any) -> T:
        """Return `function(*args, **options)`, called in a thread.

        Raises what it raises, and Overloaded when too much waits already.
        """
        waiting = self._limiter.statistics().tasks_waiting
        if waiting >= self._max_waiting:
            raise Overloaded(
                f"{waiting} requests wait already for {self._name}.", hint="Try again shortly."
            )
        call = partial(function, *args, **options)
        return await to_thread.run_sync(call, limiter=self._limiter)
