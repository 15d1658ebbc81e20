"""The leading engine holds a lease, which expires when the engine dies."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from tidemill.domain.cycle import ENGINE_LEASE, Lease
from tidemill.domain.errors import LeaseLost, TidemillError
from tidemill.domain.ledger import Ledger, UnitOfWork
from tidemill.domain.ports import Clock

log = logging.getLogger(__name__)

ACTOR = "engine"
"""The actor of an engine's events."""
RENEWALS = 3
"""How often a lease is renewed within its time, so that one late renewal does no harm."""


class Leadership:
    """One engine's claim to lead. Its writing units go through `unit`, which is fenced."""

    def __init__(self, ledger: Ledger, clock: Clock, *, holder: str, ttl: timedelta) -> None:
        self.holder = holder
        self._ledger = ledger
        self._clock = clock
        self._ttl = ttl
        self._lease: Lease | None = None

    def lead(self, now: datetime) -> Lease:
        """Take the lease or renew it. Raises LeaseLost while another engine holds it."""
        with self._ledger.begin() as unit:
            self._lease = self._take_lease(unit, now)
        return self._lease

    def _take_lease(self, unit: UnitOfWork, now: datetime) -> Lease:
        return unit.take_lease(ENGINE_LEASE, self.holder, now=now, ttl=self._ttl)

    @contextmanager
    def unit(self) -> Iterator[UnitOfWork]:
        """Yield a writing unit that fails after another engine took the lease. Raises LeaseLost."""
        if self._lease is None:
            raise LeaseLost(f"{self.holder} does not lead.")
        with self._ledger.begin() as unit:
            unit.fence(self._lease)
            yield unit

    @contextmanager
    def renewal(self) -> Iterator[None]:
        """Renew the lease on a separate thread until the block ends.

        A failed renewal is tried again. After a late one the block continues, but its next unit
        fails at the fence.
        """
        stop = threading.Event()
        renewer = threading.Thread(target=self._renew, args=(stop,), daemon=True)
        renewer.start()
        try:
            yield
        finally:
            stop.set()
            renewer.join()

    def _renew(self, stop: threading.Event) -> None:
        while not stop.wait(self._ttl.total_seconds() / RENEWALS):
            try:
                # Fenced, so that an engine that lost the lease does not lead again during its work.
                with self.unit() as unit:
                    self._lease = self._take_lease(unit, self._clock.now())
            except LeaseLost:
                return
            except TidemillError as error:
                log.warning("The lease could not be renewed: %s", error.message)

    def resign(self, now: datetime) -> None:
        """Release the lease, so that another engine can lead at once."""
        if self._lease is not None:
            with self._ledger.begin() as unit:
                unit.release_lease(self._lease, now=now)
            self._lease = None
