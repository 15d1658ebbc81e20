"""The ledger in memory. A real implementation: it passes the same contract as the others."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from tidemill.adapters.memory import FixedClock
from tidemill.adapters.memory_unit.cycles import CyclesPart
from tidemill.adapters.memory_unit.import_offsets import ImportOffsetsPart
from tidemill.adapters.memory_unit.keys import KeysPart
from tidemill.adapters.memory_unit.records import State
from tidemill.adapters.memory_unit.registry import RegistryPart
from tidemill.adapters.memory_unit.reviews import ReviewsPart
from tidemill.adapters.memory_unit.traffic import TrafficPart
from tidemill.domain.ledger import Ledger


class MemoryUnit(RegistryPart, TrafficPart, ReviewsPart, CyclesPart, ImportOffsetsPart, KeysPart):
    """A unit of work: all parts on one state."""


class MemoryLedger:
    """A unit works on a copy, which replaces the state when the unit succeeds."""

    def __init__(self, clock: FixedClock | None = None) -> None:
        self._clock = clock or FixedClock()
        self._state = State()
        self._writing = threading.Lock()

    @contextlib.contextmanager
    def begin(self, *, write: bool = True) -> Iterator[MemoryUnit]:
        with self._writing if write else contextlib.nullcontext():
            state = self._state.copy()
            yield MemoryUnit(state, self._clock, write=write)
            if write:
                self._state = state

    def close(self) -> None:
        """Do nothing: there is no file."""


def _proof(ledger: MemoryLedger) -> Ledger:
    """Let mypy prove that this meets the contract."""
    return ledger
