"""Which names a server is asked by: the check of the `Host` header.

A page whose name points at the loopback address (DNS rebinding) asks with its own name as host.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
MAX_KNOWN_HOSTS = 64
"""Values of the header that are remembered as allowed; a client may send any port."""


def is_loopback(host: str) -> bool:
    """Return True when an address to bind, or every address of a name, is a loopback address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    try:
        rows = socket.getaddrinfo(host or None, 0, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        return False
    # An IPv6 address may carry a zone.
    addresses = [str(row[4][0]).partition("%")[0] for row in rows]
    return all(ipaddress.ip_address(address).is_loopback for address in addresses)


class HostCheck:
    """Allows the server's own names, and those of the setting.

    `names` are host names without a port; `*.example.com` allows every name below it, and `*` all.
    A server on a loopback address always allows the loopback names. Any other server allows every
    name when the setting names none, and always allows an IP address: no page has one as its name.
    """

    def __init__(self, bound: str, names: Sequence[str]) -> None:
        self._loopback = is_loopback(bound)
        wanted = [name.lower() for name in names]
        self._names = frozenset((*LOOPBACK_NAMES, bound.lower(), *wanted))
        self._suffixes = tuple(name[1:] for name in wanted if name.startswith("*."))
        self._any = "*" in wanted or not (self._loopback or wanted)
        self._known: set[bytes] = set()

    def allows(self, value: bytes) -> bool:
        """Return True when a request with this header may be answered."""
        if self._any or value in self._known:
            return True
        name = host_name(value)
        allowed = (
            name in self._names
            or (bool(self._suffixes) and name.endswith(self._suffixes))
            or self._is_address(name)
        )
        if allowed and len(self._known) < MAX_KNOWN_HOSTS:
            self._known.add(value)
        return allowed

    def _is_address(self, name: str) -> bool:
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not self._loopback


def host_name(value: bytes) -> str:
    """Return the name in a `Host` header, without port, brackets and a last dot, in lower case."""
    text = value.decode("latin-1").strip().lower()
    name, mark, port = text.rpartition(":")
    if mark and (not port or port.isdigit()):
        text = name
    if text.startswith("[") and text.endswith("]"):
        return text[1:-1]
    return text.removesuffix(".")
