"""A key that lets a client prove its name. The ledger holds a digest, never the secret."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from tidemill.domain.errors import UsageError

KeyScope = Literal["predict", "feedback", "review", "admin"]
"""
predict   predictions and explanations
feedback  labels
review    accepting and rejecting labels
admin     promotion, rollback, feedback import, and everything else
"""
SCOPES: tuple[KeyScope, ...] = get_args(KeyScope)
MARK = "tidemill_"
"""The beginning of every secret, so that a scanner of repositories finds a lost one."""
SECRET_BYTES = 32
KEY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,99}")
RESERVED_NAMES = frozenset({"anonymous", "feedback_table", "engine", "server"})
"""Actors that a key may not have the name of: they stand for many people or for a process."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`name` is the actor of what the key does. `digest` is the SHA-256 of the secret.

    `rate` is the number of requests in a minute; 0 has no bound.
    """

    id: str
    name: str
    digest: str
    scopes: tuple[KeyScope, ...]
    at: datetime
    rate: int = 0
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Return True for a key that is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def new_secret() -> str:
    """Return a new secret of 256 random bits."""
    return MARK + secrets.token_urlsafe(SECRET_BYTES)


def digest_of(secret: str) -> str:
    """Return the digest that the ledger holds. A secret of 256 random bits needs no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def check_key_name(name: str) -> str:
    """Return the name itself. Raises UsageError when no key may have it."""
    if not KEY_NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name of a key.",
            hint="A name has letters, digits and . _ - @, and begins with a letter or digit.",
        )
    if name.lower() in RESERVED_NAMES:
        raise UsageError(
            f"No key may be called {name}.", hint="That name stands for many people or a process."
        )
    return name


def check_scopes(scopes: Collection[str]) -> tuple[KeyScope, ...]:
    """Return the scopes in their usual order, each once. Raises UsageError for an unknown one."""
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise UsageError(
            f"{unknown[0]!r} is no scope." if unknown else "A key needs a scope.",
            hint=f"Known are {', '.join(SCOPES)}.",
        )
    return tuple(scope for scope in SCOPES if scope in scopes)
