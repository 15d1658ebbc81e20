"""Refused requests as events of the ledger: who, from where, why, and how often.

A stranger can have any number of requests refused, so they are counted in memory and written
seldom: after a second, then after pauses that double while refusals go on.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from datetime import datetime, timedelta

from tidemill.domain.errors import TidemillError
from tidemill.domain.events import RequestsRefused
from tidemill.domain.ledger import Ledger
from tidemill.domain.ports import Clock
from tidemill.web.watch import Watch

log = logging.getLogger(__name__)

FIRST_PAUSE = timedelta(seconds=1)
LAST_PAUSE = timedelta(hours=1)
PAUSE_FACTOR = 4
POLL_S = 1.0
_WARNING = "Refused requests could not be recorded"
MAX_KINDS = 20
"""Different refusals that one event lists; the others are one more row of it."""
OTHERS = ("", "", "others")

RefusedRequest = tuple[str, str, str]
"""Actor, address and reason."""


class RefusalLog:
    """Counts refusals, and writes an event for many of them. Any thread may count."""

    def __init__(self, ledger: Ledger, clock: Clock, server: str) -> None:
        self._ledger = ledger
        self._server = server
        self._lock = threading.Lock()
        self._counts: Counter[RefusedRequest] = Counter()
        self._due: datetime | None = None
        self._pause = FIRST_PAUSE
        self._watch = Watch(
            lambda: self.write_due(clock.now()), name="refusals", warning=_WARNING, every_s=POLL_S
        )

    def start(self) -> None:
        """Begin to write events."""
        self._watch.start()

    def close(self) -> None:
        """Write the last event, and stop."""
        self._watch.close()
        try:
            self._write()
        except TidemillError as error:
            log.warning("%s: %s", _WARNING, error)

    def count(self, actor: str, address: str, reason: str) -> None:
        """Count one refused request."""
        self._add((actor, address, reason), 1)

    def _add(self, refusal: RefusedRequest, count: int) -> None:
        with self._lock:
            full = len(self._counts) >= MAX_KINDS and refusal not in self._counts
            self._counts[OTHERS if full else refusal] += count

    def write_due(self, now: datetime) -> bool:
        """Write the event if it is due, and return True if it was."""
        with self._lock:
            if not self._counts:
                if self._due is not None and now >= self._due:
                    # A whole pause without a refusal.
                    self._due, self._pause = None, FIRST_PAUSE
                return False
            if self._due is None:
                self._due = now + self._pause
            # A clock that was set back must not delay the event.
            if now < self._due <= now + LAST_PAUSE:
                return False
            self._pause = min(self._pause * PAUSE_FACTOR, LAST_PAUSE)
            self._due = now + self._pause
        self._write()
        return True

    def _write(self) -> None:
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        event = RequestsRefused(
            actor="server",
            subject=self._server,
            reason=counts.most_common(1)[0][0][2],
            count=counts.total(),
            refusals=[
                {"actor": actor, "address": address, "reason": reason, "count": count}
                for (actor, address, reason), count in counts.most_common()
            ],
        )
        try:
            with self._ledger.begin() as unit:
                unit.record_event(event)
        except Exception:
            # The next event has them, too.
            for refusal, count in counts.items():
                self._add(refusal, count)
            raise
