"""Whether the server can answer now. Each question looks; nothing is remembered as true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tidemill.domain.errors import NotReady, TidemillError
from tidemill.web.slots import Slot, SlotState


@dataclass(frozen=True, slots=True)
class Readiness:
    """The facts of one server. Each of `faults` returns a sentence; empty while all is well."""

    state: Callable[[], SlotState]
    faults: tuple[Callable[[], str], ...]

    def fault(self) -> str:
        """Return why requests get no answer now, as a sentence; empty while they do."""
        error = self._error()
        return error.message if error else ""

    def require(self) -> Slot:
        """Return the champion that answers. Raises NotReady and Starting."""
        if error := self._error():
            raise error
        return self.state().require_champion()

    def _error(self) -> TidemillError | None:
        for fault in self.faults:
            if sentence := fault():
                return NotReady(sentence, hint="The server is ready again once this has healed.")
        try:
            self.state().require_champion()
        except NotReady as error:
            return error
        return None
