"""Requests that are made to cost much, and clients that are made to wait: what `attack` sends."""

from __future__ import annotations

import base64
import io
import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import httpx
from PIL import Image

STRANGER = "127.0.0.2"
"""Where the attacker's connections come from."""
FOR_S = 6.0
"""How long an attack without an end of its own goes on."""

Attack = Callable[[str], str]
"""Attacks the server at this address, and tells what it answered."""


def repeated_scans(side: int = 6_320, scans: int = 450) -> bytes:
    """A progressive JPEG of 264 kB whose last scan is there 450 times."""
    file = io.BytesIO()
    Image.new("L", (side, side), 100).save(file, "JPEG", progressive=True, quality=90)
    content = file.getvalue()
    at = content.rindex(b"\xff\xda")
    return content[:at] + content[at:-2] * scans + content[-2:]


def black_png(side: int) -> bytes:
    """Few bytes and many pixels, with transparency."""
    file = io.BytesIO()
    Image.new("RGBA", (side, side)).save(file, "PNG")
    return file.getvalue()


def send_files(url: str, content: bytes, *, count: int, clients: int, path: str) -> str:
    """Send that many copies in one request, from that many clients at once."""
    files = [("file", ("a", content))] * count

    def send(_: int) -> int:
        with client(url) as session:
            return session.post(path, files=files).status_code

    with ThreadPoolExecutor(clients) as pool:
        return ", ".join(sorted({str(status) for status in pool.map(send, range(clients))}))


def send_json(url: str, body: bytes, path: str) -> str:
    """Send a JSON body."""
    with client(url) as session:
        head = {"content-type": "application/json"}
        return str(session.post(path, content=body, headers=head).status_code)


def send_labels(url: str, content: bytes, label: str, clients: int) -> str:
    """Give that many labels at once, each with an image."""
    row = {"payload": {"image": base64.b64encode(content).decode()}, "label": label}
    body = json.dumps(row).encode()
    with ThreadPoolExecutor(clients) as pool:
        answers = pool.map(lambda _: send_json(url, body, "/v1/feedback"), range(clients))
        return ", ".join(sorted(set(answers)))


def be_silent(url: str, sockets: int) -> str:
    """Open connections on which nothing is ever sent."""
    with ExitStack() as stack:
        opened = 0
        for _ in range(sockets):
            with suppress(OSError):
                stack.enter_context(dial(url))
                opened += 1
        time.sleep(FOR_S)
        return f"{opened} opened"


def dribble(url: str, bodies: int, size: int) -> str:
    """Announce large bodies, send most of each, then a byte a second."""
    head = f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n"
    head += "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    with ExitStack() as stack:
        sockets = [stack.enter_context(dial(url)) for _ in range(bodies)]
        for each in sockets:
            with suppress(OSError):
                each.sendall(head.encode() + b"x" * (size - 1_000))
        end = time.monotonic() + 2 * FOR_S
        while time.monotonic() < end:
            for each in sockets:
                with suppress(OSError):
                    each.sendall(b"x")
            time.sleep(1)
        return f"{bodies} bodies of {size >> 20} MiB"


def endless_header(url: str) -> str:
    """Send one header field that does not end."""
    taken = 0
    with dial(url) as connection, suppress(OSError):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nx: ")
        while taken < 50 << 20:
            connection.sendall(b"a" * 65_536)
            taken += 65_536
    return f"{taken >> 10} KiB taken"


def hang_up(url: str, clients: int, body: bytes) -> str:
    """Ask and leave at once, again and again."""
    head = f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    request = (head + "Content-Type: application/json\r\n\r\n").encode() + body
    for _ in range(clients):
        with dial(url) as connection:
            connection.sendall(request)
    return f"{clients} left"


@contextmanager
def client(url: str) -> Iterator[httpx.Client]:
    transport = httpx.HTTPTransport(local_address=STRANGER)
    with httpx.Client(base_url=url, transport=transport, timeout=90) as session:
        yield session


def dial(url: str) -> socket.socket:
    host, _, port = url.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), 10, (STRANGER, 0))
