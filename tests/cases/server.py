"""A server of the product as a process, and requests to it as strangers send them."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeVar

from tests.cases.names import ServerProcess

T = TypeVar("T")

START_S = 60.0
"""Seconds that a server may take until it is ready."""
POLL_S, SAMPLE_S = 0.05, 0.02
STRANGER = ("127.0.0.2", 0)
"""Where an attacker's connections come from."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. Status 0 means that there was none; the body then tells the error."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


def ask(
    port: int,
    path: str,
    body: bytes | None = None,
    content_type: str = "application/json",
    *,
    method: str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 60,
    source: tuple[str, int] | None = None,
) -> Answer:
    """Send one request to a server on this machine, on a connection of its own."""
    began = time.monotonic()
    sent = {**({"content-type": content_type} if body else {}), **(headers or {})}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout, source)
    try:
        connection.request(method or ("GET" if body is None else "POST"), path, body, sent)
        response = connection.getresponse()
        content = response.read()
        received = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, received, content, time.monotonic() - began)
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, {}, repr(error).encode(), time.monotonic() - began)
    finally:
        connection.close()


class Server:
    """A running server and its workspace."""

    def __init__(self, home: Path, process: ServerProcess) -> None:
        self.home = home
        self.process = process
        self.port = int(process.url.rpartition(":")[2])
        self.ask = partial(ask, self.port)

    def connect(self) -> socket.socket:
        """Open a bare connection from another address."""
        return socket.create_connection(("127.0.0.1", self.port), 10, STRANGER)

    def megabytes(self, name: str = "VmRSS") -> int:
        """MiB that the process holds, or with "VmHWM" the most that it ever held."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text("utf-8").splitlines()
        return int(next(line for line in lines if line.startswith(name)).split()[1]) >> 10

    def has_ended(self) -> bool:
        """True when the process has gone, or waits to be collected."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text("utf-8").rpartition(")")[2]
        except (FileNotFoundError, ProcessLookupError):
            return True
        return fields.split()[0] == "Z"


class PeakMemory:
    """Watches how much memory a server holds while other things happen."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.before = self.peak = server.megabytes()

    def _watch(self) -> None:
        # A server that is killed for its memory has none to tell; its answers say so.
        with suppress(OSError, StopIteration):
            while not self._over.wait(SAMPLE_S):
                self.peak = max(self.peak, self._server.megabytes())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()


class Serve(Protocol):
    """Serves a copy of a small champion; the settings are environment variables."""

    def __call__(self, recipe: str, **settings: str) -> AbstractContextManager[Server]: ...


@contextmanager
def served(home: Path, **settings: str) -> Iterator[Server]:
    """A server over this workspace on a free loopback port, once it is ready."""
    with ServerProcess(home, settings=settings) as process:
        server = Server(home, process)
        ready = wait_until(lambda: server.ask("/v1/ready").status == 200, START_S)
        assert ready, server.ask("/v1/ready")
        yield server


def wait_until(holds: Callable[[], bool], seconds: float) -> bool:
    """Ask again and again until it holds; False when it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


class Pulse(threading.Thread):
    """Asks a route at a steady pace while other things happen, and times each answer.

    Each time counts from when the request was due, so that a standstill is more than one slow
    answer.
    """

    def __init__(
        self,
        server: Server,
        path: str = "/v1/live",
        body: bytes | None = None,
        *,
        every: float = 0.02,
    ) -> None:
        super().__init__(daemon=True)
        self._server, self._path, self._body, self._every = server, path, body, every
        self._over = threading.Event()
        self.seconds: list[float] = []
        self.answers: list[Answer] = []

    def run(self) -> None:
        due = time.monotonic()
        while not self._over.is_set():
            answer = self._server.ask(self._path, self._body, timeout=75)
            self.seconds.append(time.monotonic() - due)
            self.answers.append(answer)
            due += self._every
            self._over.wait(max(0.0, due - time.monotonic()))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self.join()

    def worst(self, quantile: float) -> float:
        """This quantile of the times to an answer."""
        return quantile_of(self.seconds, quantile)


def quantile_of(seconds: list[float], quantile: float) -> float:
    return sorted(seconds)[min(int(len(seconds) * quantile), len(seconds) - 1)]


def call_together(*calls: Callable[[], T]) -> list[T]:
    """Call all of these at once, each in a thread, and return what each returns."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [running.result() for running in [pool.submit(call) for call in calls]]
