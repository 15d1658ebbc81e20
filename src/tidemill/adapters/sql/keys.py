"""API keys in SQL."""

from __future__ import annotations

from sqlalchemy import bindparam, select, update

from tidemill.adapters.sql.records import RecordsPart
from tidemill.adapters.sql.tables import API_KEYS
from tidemill.domain.api_key import ApiKey
from tidemill.domain.events import Event
from tidemill.domain.guards import guard_revocation

_UNREVOKED = select(API_KEYS).where(API_KEYS.c.revoked_at.is_(None)).order_by(API_KEYS.c.n)
_REVOKE = update(API_KEYS).where(API_KEYS.c.id == bindparam("revoked"))


class KeysPart(RecordsPart):
    """Implements `Keys`."""

    def unrevoked_keys(self) -> list[ApiKey]:
        return self._records(ApiKey, _UNREVOKED)

    def revoke_key(self, to: ApiKey, event: Event) -> None:
        guard_revocation(self.get(ApiKey, to.id), to)
        self.record_event(event)
        self._connection.execute(_REVOKE, {"revoked": to.id, "revoked_at": to.revoked_at})
