"""Who sends a request: its actor, what it may do, and the address that it comes from."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from starlette.types import Scope

from tidemill.domain.api_key import KeyScope
from tidemill.domain.errors import Forbidden, Unauthorised
from tidemill.loop.feedback import ANONYMOUS

_KEY = "tidemill.caller"
"""Where the ASGI scope holds the caller. No header or path reaches this name."""


@dataclass(frozen=True, slots=True)
class Caller:
    """`actor` is the name in feedback and events. `address` is where the request comes from.

    `key` is the id of the key that proved the name; empty for a client without one.
    """

    actor: str = ANONYMOUS
    address: str = ""
    scopes: frozenset[str] = frozenset()
    key: str = ""

    @property
    def client(self) -> str:
        """What tells clients without a key apart; empty for one with a key."""
        return "" if self.key else self.address

    def may(self, scope: KeyScope) -> bool:
        """Return True when the caller has a scope; admin includes all."""
        return scope in self.scopes or "admin" in self.scopes

    def require(self, scope: KeyScope) -> None:
        """Raise Unauthorised for a client without a key, and Forbidden for a key without it."""
        if self.may(scope):
            return
        if not self.key:
            raise Unauthorised(f"This needs a key with the scope {scope}.", hint=KEY_HINT)
        raise Forbidden(
            f"The key of {self.actor} does not have the scope {scope}.",
            hint=f"Create another: tidemill keys create {self.actor} --scope {scope}",
        )


KEY_HINT = "Send it as `Authorization: Bearer SECRET`; `tidemill keys create NAME` makes one."
GOLDEN_CHECK = Caller(scopes=frozenset({"predict"}))
"""The caller of a request of the golden check, which passes the access control untouched."""


def set_caller(scope: Scope, caller: Caller) -> None:
    """Let a request know its caller."""
    scope[_KEY] = caller


def caller_of(scope: Scope) -> Caller:
    """Return who sends a request."""
    caller: Caller = scope.get(_KEY, GOLDEN_CHECK)
    return caller


MAX_ADDRESS = 64
"""Characters of an address with its zone and port; a longer text is none."""


@lru_cache(maxsize=256)
def read_address(text: str) -> str:
    """Return the address in a text in its usual form; empty when there is none.

    One client has one form: an IPv4 address also where IPv6 maps it, without zone and port.
    """
    text = text.strip()
    if len(text) > MAX_ADDRESS:
        return ""
    if text.startswith("["):
        text, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
    else:
        port = ""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    if port and not (port.isascii() and port.isdigit()):
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


class ClientAddresses:
    """Finds the address that a request comes from, behind proxies that are trusted.

    A trusted proxy adds the address of its own client to `X-Forwarded-For`. The addresses before
    it are what that client wrote, so they count only when it is a trusted proxy, too.
    """

    def __init__(self, proxies: Sequence[str]) -> None:
        """Trust these addresses and networks. Raises ValueError for anything else."""
        self._networks = [ipaddress.ip_network(proxy, strict=False) for proxy in proxies]

    def find(self, scope: Scope, forwarded: Sequence[bytes]) -> str:
        """Return the address of a request with these `X-Forwarded-For` headers.

        Empty where the server's socket has no addresses.
        """
        client = scope.get("client")
        address = read_address(client[0]) if client else ""
        if not (self._networks and forwarded and self._trusts(address)):
            return address
        chain = b",".join(forwarded).decode("latin-1").split(",")
        for part in reversed(chain):
            known = read_address(part)
            if not known:
                break
            address = known
            if not self._trusts(address):
                break
        return address

    def _trusts(self, address: str) -> bool:
        try:
            known = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(known in network for network in self._networks)
