"""The loaded versions: the ledger's champion, and the previous one for a rollback."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidemill.bundle import BundleGuard
from tidemill.domain.errors import Corrupt, NotReady, Starting, TidemillError, TimedOut, Unavailable
from tidemill.domain.ledger import Ledger
from tidemill.domain.ports import Clock
from tidemill.domain.types import Alias, AliasName, ModelVersion
from tidemill.loop.prediction_log import LoadedVersion
from tidemill.predictor import Predictor

log = logging.getLogger(__name__)

RETRY = timedelta(seconds=5)
"""How long a version waits that could not be loaded or checked, before the next attempt."""
RETRY_LATE = timedelta(minutes=5)
"""How long one waits whose check took too long: each attempt takes as long."""
CLOSE_S = 5.0

FINAL_NOTE = "It is not tried again until the alias moves or the server is restarted."


Slot = LoadedVersion
"""A request answers with its slot to the end, whatever is swapped."""


@dataclass(frozen=True, slots=True)
class SlotState:
    """What is served at one moment. `fault` says why the server does not follow the ledger."""

    champion: Slot | None = None
    previous: Slot | None = None
    fault: str = ""

    @property
    def decided(self) -> bool:
        """True once a model is served, or a fault says why none is."""
        return self.champion is not None or bool(self.fault)

    def require_champion(self) -> Slot:
        """Return the champion that is served. Raises NotReady."""
        if self.champion is not None:
            return self.champion
        hint = "GET /v1/ready shows when it is ready."
        if not self.fault:
            raise Starting("No model has passed its golden check yet.", hint=hint)
        raise NotReady(self.fault, hint=hint)

    def find_slot(self, version: str) -> Slot | None:
        """Return the slot of a version; None when it is not loaded."""
        slots = (slot for slot in (self.champion, self.previous) if slot is not None)
        return next((slot for slot in slots if slot.version.id == version), None)


@dataclass(frozen=True, slots=True)
class _Refusal:
    reason: str
    at: datetime
    final: bool
    """True for a final fault: a bundle never changes, so another attempt would fail, too."""
    retry: timedelta


class Slots:
    """Follows the aliases `champion` and `previous`; each `refresh` reads them once.

    A version answers only after it was loaded, verified and checked. Until then, and when it is
    refused, the version before it goes on answering. `check` returns what is wrong, or an empty
    text; it raises Unavailable when it could not ask. A faulty bundle stays faulty, so its refusal
    stands while the alias does. Only a version that could not be loaded or asked is tried again.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        load: Callable[[ModelVersion], Predictor],
        check: Callable[[Slot], str],
        *,
        poll: timedelta,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._load = load
        self._check = check
        self._poll = poll.total_seconds()
        self._state = SlotState()
        self._checked: dict[ModelVersion, Slot] = {}
        self._refused: dict[Alias, _Refusal] = {}
        self._bundle_fault = ""
        self._guard: tuple[Slot, BundleGuard] | None = None
        self._refreshing = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tidemill-slots", daemon=True)

    @property
    def state(self) -> SlotState:
        """Return what is served at this moment. Never blocks."""
        return self._state

    def require_champion(self) -> Slot:
        """Return the champion that is served at this moment. Raises NotReady."""
        return self._state.require_champion()

    @property
    def bundle_fault(self) -> str:
        """What is wrong with the files of the champion's bundle, by the last look at them."""
        return self._bundle_fault

    def check_bundle(self) -> None:
        """Look at the files of the champion's bundle, and change `bundle_fault` accordingly."""
        champion = self._state.champion
        if champion is None:
            self._bundle_fault = ""
            return
        if self._guard is None or self._guard[0] is not champion:
            self._guard = champion, BundleGuard(champion.predictor.bundle)
        self._bundle_fault = self._guard[1].fault()

    def start(self) -> None:
        """Begin to follow the ledger."""
        self._thread.start()

    def close(self) -> None:
        """Stop following the ledger. Loaded versions can still answer.

        The caller ends a check in progress. A model that is being loaded is left behind.
        """
        self._stop.set()
        if self._thread.ident:
            self._thread.join(CLOSE_S)

    def refresh(self) -> None:
        """Read the aliases, check what is new, swap. Raises nothing.

        An error becomes the fault of the state, and what was served stays.
        """
        with self._refreshing:
            try:
                self._follow()
            except Exception as error:  # noqa: BLE001  the thread must live to try again
                state = self._state
                self._set_state(state.champion, state.previous, f"The ledger: {error}")

    def _follow(self) -> None:
        champion, previous = self._read("champion", "previous")
        aliased = [row for row in (champion, previous) if row is not None]
        versions = {version for _, version in aliased}
        current = self._state.champion
        # Before anything is loaded, so that at most three models are in memory.
        self._checked = {
            version: slot
            for version, slot in self._checked.items()
            if version in versions or slot is current
        }
        aliases = {alias for alias, _ in aliased}
        self._refused = {alias: why for alias, why in self._refused.items() if alias in aliases}

        if champion is None:
            self._set_state(None, self._slot(previous), "No version is champion.")
            return
        slot = self._slot(champion)
        if slot is not None and slot is not current:
            if self._read("champion") != [champion]:
                return  # withdrawn during the check; the next refresh handles it
            # Served before the previous one is loaded: that one can wait.
            self._set_state(slot, self._state.previous, self._faults())
        standby = self._slot(previous)
        self._set_state(slot or current, standby, self._faults())

    def _read(self, *names: AliasName) -> list[tuple[Alias, ModelVersion] | None]:
        with self._ledger.begin(write=False) as unit:
            aliases = [unit.alias(name) for name in names]
            return [
                (alias, unit.get(ModelVersion, alias.version)) if alias else None
                for alias in aliases
            ]

    def _slot(self, aliased: tuple[Alias, ModelVersion] | None) -> Slot | None:
        if aliased is None:
            return None
        alias, version = aliased
        if version in self._checked:
            return self._checked[version]
        before = self._refused.get(alias)
        now = self._clock.now()
        # A clock that was set back must not delay the next attempt.
        if before and (before.final or timedelta(0) <= now - before.at < before.retry):
            return None
        outcome = self._attempt(version)
        if isinstance(outcome, LoadedVersion):
            self._checked[version] = outcome
            self._refused.pop(alias, None)
            return outcome
        fault, final, retry = outcome
        reason = f"{alias.name} {version.id} is refused: {fault}"
        note = f"{reason} {FINAL_NOTE}" if final else reason
        self._refused[alias] = _Refusal(note, self._clock.now(), final, retry)
        return None

    def _attempt(self, version: ModelVersion) -> Slot | tuple[str, bool, timedelta]:
        """Return the loaded and checked version, or its fault, whether it is final, and when else
        the next attempt comes.

        The check also warms the version up: every golden sample goes through every route.
        """
        try:
            slot = Slot(version, self._load(version))
        except Exception as error:  # noqa: BLE001  every error becomes the reason of the refusal
            return _describe_error(error), isinstance(error, Corrupt), RETRY
        try:
            fault = self._check(slot)
        except Exception as error:  # noqa: BLE001  the same
            retry = RETRY_LATE if isinstance(error, TimedOut) else RETRY
            return _describe_error(error), not isinstance(error, Unavailable), retry
        return (f"{fault}.", True, RETRY) if fault else slot

    def _faults(self) -> str:
        return " ".join(refusal.reason for refusal in self._refused.values())

    def _set_state(self, champion: Slot | None, previous: Slot | None, fault: str) -> None:
        if fault and fault != self._state.fault:
            log.warning("%s", fault)
        if champion and champion is not self._state.champion:
            log.info("ready: %s is served", champion.version.id)
        self._state = SlotState(champion, previous, fault)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.refresh()
            self._stop.wait(self._poll)


def _describe_error(error: Exception) -> str:
    """Return an error as a sentence. An unexpected one shows its class; the log has the trace."""
    if isinstance(error, TidemillError):
        return error.message
    log.debug("A version cannot be served", exc_info=error)
    return f"{type(error).__name__}: {error}."
