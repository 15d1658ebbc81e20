"""Which hosts are this machine."""

from __future__ import annotations

import ipaddress


def reaches_this_machine(host: str) -> bool:
    """Return True for a host that is this machine by its name or number, without a look-up.

    An unspecified address (0.0.0.0) counts: a client that connects to it reaches this machine.
    """
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_unspecified
