"""API keys in memory."""

from __future__ import annotations

from dataclasses import replace

from tidemill.adapters.memory_unit.records import RecordsPart
from tidemill.domain.api_key import ApiKey
from tidemill.domain.events import Event
from tidemill.domain.guards import guard_revocation


class KeysPart(RecordsPart):
    """Implements `Keys`."""

    def unrevoked_keys(self) -> list[ApiKey]:
        return [key for key in self._rows(ApiKey).values() if key.revoked_at is None]

    def revoke_key(self, to: ApiKey, event: Event) -> None:
        before = self.get(ApiKey, to.id)
        guard_revocation(before, to)
        self.record_event(event)
        self._keep(replace(before, revoked_at=to.revoked_at))
