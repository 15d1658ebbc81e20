"""What the server runs: the ledger's champion, and the previous one kept warm for a rollback."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidemill.domain.errors import Corrupt, TidemillError, Unavailable
from tidemill.domain.ledger import Ledger
from tidemill.domain.ports import Clock
from tidemill.domain.types import Alias, AliasName, ModelVersion
from tidemill.predictor import Predictor

log = logging.getLogger(__name__)

RETRY = timedelta(seconds=5)
"""How long a version rests that could not be loaded or asked, before it is tried again."""

FINAL = "It is not tried again until the alias moves or the server is restarted."


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """A loaded version. Whoever holds one answers with it to the end, whatever is swapped."""

    version: ModelVersion
    predictor: Predictor


@dataclass(frozen=True, slots=True)
class View:
    """What is served, in one look. `fault` says what keeps the ledger's wish from being met."""

    champion: Slot | None = None
    previous: Slot | None = None
    fault: str = "No model has been proved yet."


@dataclass(frozen=True, slots=True)
class _Refusal:
    reason: str
    at: datetime
    final: bool
    """Trying again could not end otherwise: a bundle never changes."""


class Slots:
    """Follows the aliases `champion` and `previous`, one `step` at a time.

    A version answers only after it was loaded, verified and proved; until then, and when it is
    refused, the one before goes on answering. `prove` returns what is wrong, or an empty text; it
    raises Unavailable when it could not ask. What is wrong with a bundle stays wrong, so that
    refusal stands while the alias does; only a version that could not be loaded or asked is tried
    again.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        load: Callable[[ModelVersion], Predictor],
        prove: Callable[[Slot], str],
        *,
        poll: timedelta,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._load = load
        self._prove = prove
        self._poll = poll.total_seconds()
        self._view = View()
        self._proved: dict[ModelVersion, Slot] = {}
        self._refused: dict[Alias, _Refusal] = {}
        self._turn = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tidemill-slots", daemon=True)

    @property
    def view(self) -> View:
        """What is served at this moment. Never blocks."""
        return self._view

    def start(self) -> None:
        """Begin to follow the ledger."""
        self._thread.start()

    def close(self) -> None:
        """Stop following. What was loaded can still answer."""
        self._stop.set()
        self._thread.join()

    def step(self) -> None:
        """One turn: read the aliases, prove what is new, swap. Raises nothing.

        Whatever goes wrong becomes the view's fault, and what was served stays.
        """
        with self._turn:
            try:
                self._follow()
            except Exception as error:  # noqa: BLE001  the thread must live to try again
                self._show(self._view.champion, self._view.previous, f"The ledger: {error}")

    def _follow(self) -> None:
        champion, previous = self._read("champion", "previous")
        wanted = {version for _, version in filter(None, (champion, previous))}
        answering = self._view.champion
        # Before anything is loaded, so that never more than three models are held.
        self._proved = {
            version: slot
            for version, slot in self._proved.items()
            if version in wanted or slot is answering
        }
        asked = {alias for alias, _ in filter(None, (champion, previous))}
        self._refused = {alias: why for alias, why in self._refused.items() if alias in asked}

        if champion is None:
            self._show(None, self._slot(previous), "No version is champion.")
            return
        slot = self._slot(champion)
        if slot is not None and slot is not answering:
            if self._read("champion") != [champion]:
                return  # withdrawn while it was being proved; the next turn sees to it
            # Served before the previous one is loaded: that one can wait.
            self._show(slot, self._view.previous, self._faults())
        standby = self._slot(previous)
        self._show(slot or answering, standby, self._faults())

    def _read(self, *names: AliasName) -> list[tuple[Alias, ModelVersion] | None]:
        with self._ledger.begin(write=False) as unit:
            aliases = [unit.alias(name) for name in names]
            return [
                (alias, unit.get(ModelVersion, alias.version)) if alias else None
                for alias in aliases
            ]

    def _slot(self, wanted: tuple[Alias, ModelVersion] | None) -> Slot | None:
        if wanted is None:
            return None
        alias, version = wanted
        if version in self._proved:
            return self._proved[version]
        before = self._refused.get(alias)
        now = self._clock.now()
        # A clock that was set back must not put the next attempt off.
        if before and (before.final or timedelta(0) <= now - before.at < RETRY):
            return None
        tried = self._attempt(version)
        if isinstance(tried, Slot):
            self._proved[version] = tried
            self._refused.pop(alias, None)
            return tried
        fault, final = tried
        reason = f"{alias.name} {version.id} is refused: {fault}"
        self._refused[alias] = _Refusal(f"{reason} {FINAL}" if final else reason, now, final)
        return None

    def _attempt(self, version: ModelVersion) -> Slot | tuple[str, bool]:
        """The loaded and proved version, or what is wrong with it and whether that stays so.

        Proving is the warming, too: every golden sample goes through every route.
        """
        try:
            slot = Slot(version, self._load(version))
        except Exception as error:  # noqa: BLE001  whatever it is becomes the refusal's reason
            return _said(error), isinstance(error, Corrupt)
        try:
            fault = self._prove(slot)
        except Exception as error:  # noqa: BLE001  the same
            return _said(error), not isinstance(error, Unavailable)
        return (f"{fault}.", True) if fault else slot

    def _faults(self) -> str:
        return " ".join(refusal.reason for refusal in self._refused.values())

    def _show(self, champion: Slot | None, previous: Slot | None, fault: str) -> None:
        if fault and fault != self._view.fault:
            log.warning("%s", fault)
        if champion and champion is not self._view.champion:
            log.info("ready: %s is served", champion.version.id)
        self._view = View(champion, previous, fault)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.step()
            self._stop.wait(self._poll)


def _said(error: Exception) -> str:
    """An error as a sentence. What nobody foresaw is told with its class, and traced in the log."""
    if isinstance(error, TidemillError):
        return error.message
    log.debug("A version cannot be served", exc_info=error)
    return f"{type(error).__name__}: {error}."
