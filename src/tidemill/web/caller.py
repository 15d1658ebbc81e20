"""Who sends a request: its actor, what it may do, and the address that it comes from."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.types import Scope

from tidemill.loop.feedback import ANONYMOUS

_KEY = "tidemill.caller"
"""Where the ASGI scope holds the caller. No header or path reaches this name."""


@dataclass(frozen=True, slots=True)
class Caller:
    """`actor` is the name in feedback and events. `address` is where the request comes from."""

    actor: str = ANONYMOUS
    address: str = ""

    @property
    def client(self) -> str:
        """What tells clients without a key apart; empty for one with a key."""
        return self.address if self.actor == ANONYMOUS else ""


NOBODY = Caller()
"""The caller of a request that passed no access control: one of the golden check."""


def set_caller(scope: Scope, caller: Caller) -> None:
    """Let a request know its caller."""
    scope[_KEY] = caller


def caller_of(scope: Scope) -> Caller:
    """Return who sends a request."""
    caller: Caller = scope.get(_KEY, NOBODY)
    return caller


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
        address: str = client[0] if client else ""
        if not (self._networks and forwarded and self._trusts(address)):
            return address
        chain = b",".join(forwarded).decode("latin-1").split(",")
        for part in reversed(chain):
            try:
                address = str(ipaddress.ip_address(part.strip()))
            except ValueError:
                break
            if not self._trusts(address):
                break
        return address

    def _trusts(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._networks)
