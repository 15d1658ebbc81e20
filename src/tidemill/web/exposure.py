"""What clients without a key may do, and whether a server may be reached without one."""

from __future__ import annotations

from tidemill.domain.errors import UsageError
from tidemill.settings import Settings
from tidemill.web.hosts import is_loopback

LOOPBACK_SCOPES = ("predict", "feedback")
"""What a client without a key may do on this machine: what the original systems' clients do."""


def public_scopes(settings: Settings) -> frozenset[str]:
    """Return the scopes of clients without a key.

    Without the setting they have scopes only where everybody is meant to be let in.
    """
    if settings.public_scopes is not None:
        return frozenset(settings.public_scopes)
    open_to_all = settings.allow_anonymous or is_loopback(settings.host)
    return frozenset(LOOPBACK_SCOPES if open_to_all else ())


def require_keys(settings: Settings, *, has_key: bool) -> None:
    """Raise UsageError for a server that others can reach, without a key and without leave."""
    if settings.allow_anonymous or is_loopback(settings.host) or has_key:
        return
    raise UsageError(
        f"Other machines can reach {settings.host}, and there is no API key.",
        hint="Create one: tidemill keys create NAME. Or let everybody in: --allow-anonymous "
        "(TIDEMILL_ALLOW_ANONYMOUS=true).",
    )
