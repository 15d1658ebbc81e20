"""The API keys of a server: held in memory, read again several times a second."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from tidemill.domain.api_key import ApiKey, digest_of
from tidemill.domain.errors import RateLimited, Unauthorised
from tidemill.domain.ledger import Ledger
from tidemill.domain.ports import Clock
from tidemill.web.shared_rates import SharedRates
from tidemill.web.token_bucket import TokenBucket
from tidemill.web.watch import Watch

POLL_S = 0.3
"""A revocation holds within a second, so this is no setting.

Reading the keys has a thread of its own: the thread of the slots may be busy with a golden check.
"""
MAX_SECRET = 256
"""Characters of a secret; a longer one is none of ours."""


@dataclass(slots=True)
class Keyring:
    """The keys that are not revoked, by digest, and the bucket of each that has a rate."""

    ledger: Ledger
    clock: Clock
    rates: SharedRates | None = None
    """The buckets of all workers behind a port; None when this process is alone."""
    _keys: dict[str, ApiKey] = field(default_factory=dict)
    _buckets: dict[str, TokenBucket] = field(default_factory=dict)
    _watch: Watch | None = None
    on_poll: Callable[[], None] = lambda: None

    def refresh(self) -> None:
        """Read the keys. Raises StorageFailed and Corrupt."""
        with self.ledger.begin(write=False) as unit:
            keys = {key.digest: key for key in unit.unrevoked_keys()}
        ids = {key.id for key in keys.values()}
        # Both are replaced at once: requests read them meanwhile. A request may add a bucket, so
        # the rows are copied first.
        self._buckets = {id: row for id, row in list(self._buckets.items()) if id in ids}
        self._keys = keys

    def start(self) -> None:
        """Read the keys now and from now on. Raises what `refresh` raises."""
        self.refresh()
        # The known keys go on: a ledger that cannot be read must not stop predictions.
        warning = "The API keys cannot be read again"
        self._watch = Watch(self._poll, name="keys", warning=warning, every_s=POLL_S)
        self._watch.start()

    def close(self) -> None:
        """Stop reading the keys."""
        if self._watch is not None:
            self._watch.close()
        if self.rates is not None:
            self.rates.close()

    @property
    def has_valid(self) -> bool:
        """True when there is a key that somebody can use."""
        now = self.clock.now()
        return any(key.holds(now) for key in self._keys.values())

    def find(self, authorization: bytes) -> ApiKey:
        """Return the key of an `Authorization` header: bearer, or basic with it as password.

        Raises Unauthorised for any other, RateLimited when the key has used up its rate, and
        StorageFailed when the rate cannot be counted.
        """
        digest = digest_of(read_secret(authorization))
        key = self._keys.get(digest)
        # The look-up is by a digest, which tells an attacker nothing about the secret; comparing
        # the rest takes equal time for every key.
        if key is None or not secrets.compare_digest(key.digest, digest):
            raise _wrong_key()
        if key.expires_at is not None and not key.holds(self.clock.now()):
            raise _wrong_key()
        if key.rate:
            self._take_token(key)
        return key

    def _take_token(self, key: ApiKey) -> None:
        now = self.clock.now()
        if self.rates is not None:
            wait = self.rates.take(key.id, key.rate, now)
        else:
            bucket = self._buckets.get(key.id)
            if bucket is None:
                bucket = self._buckets[key.id] = TokenBucket(key.rate, key.rate, now)
            wait = bucket.take(now)
        if wait:
            raise RateLimited(
                f"The key of {key.name} may send {key.rate} requests a minute.",
                hint="Send fewer, or create a key with a higher rate.",
                wait_s=int(wait) + 1,
            )

    def _poll(self) -> None:
        self.refresh()
        self.on_poll()


def read_secret(authorization: bytes) -> str:
    """Return the secret in an `Authorization` header. Raises Unauthorised when it has none."""
    kind, _, rest = authorization.decode("latin-1").partition(" ")
    secret = rest.strip()
    if kind.lower() == "basic":
        try:
            _, _, secret = base64.b64decode(secret, validate=True).decode().partition(":")
        except ValueError as error:
            # Neither base64 nor UTF-8, or not even ASCII.
            raise _wrong_key() from error
    elif kind.lower() != "bearer":
        raise _wrong_key()
    if not secret or len(secret) > MAX_SECRET:
        raise _wrong_key()
    return secret


def _wrong_key() -> Unauthorised:
    return Unauthorised(
        "The key is unknown, revoked or expired.",
        hint="`tidemill keys create NAME` makes one; send it as `Authorization: Bearer SECRET`.",
    )
