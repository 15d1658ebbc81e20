"""The address a server answers on: a socket bound to it, and its name for a browser."""

from __future__ import annotations

import errno
import http.client
import json
import os
import socket
import sys

from tidemill.domain.errors import Unavailable

PATIENCE_S = 3.0
"""How long somebody who asks what answers at an address waits for it."""
INFO_BYTES = 1 << 20
"""How much of that answer is read; of some thousand classes it is less."""


def bind(host: str, port: int) -> socket.socket:
    """Return a socket on this address, not yet listening. Raises Unavailable saying what to try."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise Unavailable(
            f"{host!r} is no address of this machine: {error.strerror}.",
            hint="Try --host 127.0.0.1.",
        ) from error
    try:
        if os.name == "posix":
            # Elsewhere this option lets two servers share a port.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        # Now, not when uvicorn starts: until then a second server could bind the port as well.
        bound.listen()
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise Unavailable(
                f"Port {port} of {host} is in use.", hint="Take a free one: --port 0"
            ) from error
        raise Unavailable(
            f"Port {port} of {host} cannot be bound: {error.strerror}.",
            hint="Try --host 127.0.0.1 --port 0.",
        ) from error
    return bound


def bind_shared(host: str, port: int) -> socket.socket:
    """Return a socket on this address that others of this process may have, too.

    It does not listen, so it gets no connection. The kernel shares connections among those that
    listen. Raises Unavailable.
    """
    if sys.platform != "linux":
        raise Unavailable(
            "Only Linux shares the connections of a port among several processes.",
            hint="Serve with one worker.",
        )
    if port:
        # Otherwise another server with several workers could have the port as well.
        bind(host, port).close()
    return open_shared(host, port)


def open_shared(host: str, port: int) -> socket.socket:
    """Return one more socket on an address that this process has already. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind(address)
    return bound


def url_of(listening: socket.socket) -> str:
    """Return where a browser on this machine finds the socket."""
    host, port = listening.getsockname()[:2]
    local = _local(host)
    return f"http://[{local}]:{port}" if ":" in local else f"http://{local}:{port}"


def read_server_id(host: str, port: int, key: str = "") -> str:
    """Return the id of the Tidemill server that answers at an address; empty when none does.

    `key` is an API key, for a server that answers nobody without one. Only the standard library is
    needed, for an installation of which half is missing.
    """
    connection = http.client.HTTPConnection(_local(host), port, timeout=PATIENCE_S)
    try:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        connection.request("GET", "/v1/info", headers=headers)
        body = json.loads(connection.getresponse().read(INFO_BYTES))
    except (OSError, http.client.HTTPException, ValueError):
        return ""
    finally:
        connection.close()
    known = isinstance(body, dict) and "tidemill" in body
    return str(body.get("server", "")) if known else ""


def _local(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
