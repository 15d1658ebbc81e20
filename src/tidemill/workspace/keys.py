"""Create, list and revoke API keys."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta

from uuid_utils import uuid7

from tidemill.domain.api_key import (
    ApiKey,
    check_key_name,
    check_scopes,
    digest_of,
    new_secret,
)
from tidemill.domain.errors import NotFound, UsageError
from tidemill.domain.events import KeyCreated, KeyRevoked
from tidemill.workspace.parts import WorkspaceParts

DEFAULT_SCOPES = ("predict", "feedback")
MAX_DAYS = 36_500
MAX_RATE = 1_000_000_000


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key, and its secret, which nobody can read again."""

    key: ApiKey
    secret: str


class KeyPart(WorkspaceParts):
    """The methods of a workspace for API keys. A running server follows within a second."""

    def create_key(
        self,
        name: str,
        scopes: Collection[str] | None = None,
        *,
        days: float | None = None,
        rate: int = 0,
    ) -> NewKey:
        """Create a key that proves `name`. Several keys may prove one name, to replace one.

        Its scopes are predict and feedback by default. It expires after `days`, and may send `rate`
        requests a minute; 0 has no bound. Raises UsageError for a wrong name, scope, time or rate,
        and Unavailable without a workspace.
        """
        check_key_name(name)
        if days is not None and not 0 < days <= MAX_DAYS:
            raise UsageError(
                f"A key expires after {MAX_DAYS:,} days at most, and not after {days:g}.",
                hint="Leave the days out for a key without an end.",
            )
        if not 0 <= rate <= MAX_RATE:
            raise UsageError(
                f"A key cannot send {rate} requests a minute.",
                hint=f"State 0, which has no bound, or up to {MAX_RATE:,}.",
            )
        secret, now = new_secret(), self.clock.now()
        key = ApiKey(
            id=str(uuid7()),
            name=name,
            digest=digest_of(secret),
            scopes=check_scopes(DEFAULT_SCOPES if scopes is None else scopes),
            at=now,
            rate=rate,
            expires_at=None if days is None else now + timedelta(days=days),
        )
        event = KeyCreated(
            actor=self.actor,
            subject=key.id,
            name=name,
            scopes=",".join(key.scopes),
            rate=rate,
            expires_at=key.expires_at.isoformat() if key.expires_at else "",
        )
        with self.ledger.begin() as unit:
            unit.add(key, event)
        return NewKey(key, secret)

    def list_keys(self, *, limit: int = 100) -> list[ApiKey]:
        """Return the keys, the newest first, revoked and expired ones too."""
        with self.ledger.begin(write=False) as unit:
            return unit.latest(ApiKey, limit=limit)

    def revoke_key(self, key: str, *, reason: str = "revoked by hand") -> list[ApiKey]:
        """Revoke a key by its id, or every key of a name. Return them.

        Raises NotFound when there is none, and Conflict when that key is revoked already.
        """
        now = self.clock.now()
        with self.ledger.begin() as unit:
            matches = [row for row in unit.unrevoked_keys() if key in (row.id, row.name)]
            if not matches:
                matches = [row for row in unit.latest(ApiKey, limit=10_000) if row.id == key]
            if not matches:
                raise NotFound(
                    f"There is no key {key!r} to revoke.", hint="`tidemill keys list` shows them."
                )
            revoked = [replace(row, revoked_at=now) for row in matches]
            for row in revoked:
                event = KeyRevoked(actor=self.actor, subject=row.id, reason=reason, name=row.name)
                unit.revoke_key(row, event)
        return revoked
