"""What a connection may cost before there is a request. Real sockets, a real HTTP server."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from tidemill.web.connection import ConnectionLimits, connection_type
from tidemill.web.request_context import GONE_KEY

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
WAIT_S = 20.0


class App:
    """Answers 200; `/hold` waits until it is opened. It looks whether the client is gone."""

    def __init__(self) -> None:
        self.holding, self.opened = threading.Semaphore(0), threading.Event()
        self.begun = threading.Semaphore(0)
        self.gone: list[bool] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun.release()
        message = await receive()
        while message.get("more_body"):
            message = await receive()
        if scope["path"] == "/hold":
            self.holding.release()
            while not self.opened.is_set():
                message = await receive()  # it comes when the client leaves
                break
        if scope["path"] == "/reset":
            # What a reset does to the transport; the protocol hears of it in a later turn.
            scope[GONE_KEY].args[1].abort()
        self.gone.append(scope[GONE_KEY]())
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
        )
        await send({"type": "http.response.body", "body": b""})


Dial = Callable[..., socket.socket]


class Running:
    def __init__(self, limits: ConnectionLimits) -> None:
        self.app = App()
        listening = socket.create_server(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        config = uvicorn.Config(
            self.app,
            http=connection_type(limits),
            lifespan="off",
            log_config=None,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=1,
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=[[listening]])
        self.stack = ExitStack()
        self.thread.start()

    def dial(self, source: str = "127.0.0.1", send: bytes = b"") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), WAIT_S, (source, 0))
        self.stack.enter_context(closing(connection))
        connection.sendall(send)
        return connection

    def close(self) -> None:
        self.app.opened.set()
        self.stack.close()
        self.server.should_exit = True
        self.thread.join(WAIT_S)
        assert not self.thread.is_alive()


@pytest.fixture
def run() -> Iterator[Callable[..., Running]]:
    with ExitStack() as stack:

        def start(**limits: Any) -> Running:
            running = Running(ConnectionLimits(**limits))
            stack.callback(running.close)
            return running

        yield start


def answer(connection: socket.socket) -> tuple[int, str]:
    """The status of the answer, and its code when it is a failure; (0, "") for none."""
    try:
        text = b""
        while part := connection.recv(65_536):
            text += part
            if b"\r\n\r\n" in text and b"content-length: 0" in text:
                break
    except ConnectionResetError:
        pass
    if not text:
        return 0, ""
    head, _, body = text.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]["code"] if body else ""


def test_a_request_is_answered_and_the_connection_stays(run: Callable[..., Running]) -> None:
    connection = run().dial()
    for _ in range(2):
        connection.sendall(GET + b"\r\n")
        assert answer(connection) == (200, "")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(b"a: b\r\n" * 101, id="many"),
        pytest.param(b"a: " + b"b" * 9_000 + b"\r\n", id="large"),
        pytest.param(b"a: " + b"b" * 20_000, id="endless"),
    ],
)
def test_a_header_has_a_limit(run: Callable[..., Running], fields: bytes) -> None:
    connection = run(header_bytes=8_000).dial(send=GET + fields)
    assert answer(connection) == (431, "too_large")


def test_an_endless_url_is_cut_off(run: Callable[..., Running]) -> None:
    connection = run(header_bytes=8_000).dial(send=b"GET /" + b"a" * 20_000)
    assert answer(connection) == (431, "too_large")


def test_the_trailer_of_a_body_has_the_limit_of_a_header(run: Callable[..., Running]) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
    connection = run(header_bytes=8_000).dial(send=head)
    with pytest.raises(OSError, match=r"reset|pipe"):
        for _ in range(1_000):
            connection.sendall(b"a: " + b"b" * 60_000)


@pytest.mark.parametrize("sent", [b"", GET])
def test_a_header_has_a_time(run: Callable[..., Running], sent: bytes) -> None:
    connection = run(header_seconds=0.2).dial(send=sent)
    assert answer(connection) == (408, "too_slow")


def test_the_next_header_has_a_time_as_well(run: Callable[..., Running]) -> None:
    connection = run(header_seconds=0.2).dial(send=GET + b"\r\n")
    assert answer(connection) == (200, "")
    connection.sendall(GET)
    assert answer(connection) == (408, "too_slow")


def test_what_is_no_http_is_told_so(run: Callable[..., Running]) -> None:
    assert answer(run().dial(send=b"\x16\x03\x01\x02\x00 hello\r\n\r\n")) == (400, "bad_request")


def test_a_full_server_closes_a_silent_connection_of_the_largest_crowd(
    run: Callable[..., Running],
) -> None:
    running = run(connections=4)
    other = running.dial("127.0.0.3")
    crowd = [running.dial("127.0.0.2") for _ in range(3)]
    newcomer = running.dial(send=GET + b"\r\n")
    assert answer(newcomer) == (200, "")
    assert answer(crowd[0]) == (0, "")
    other.sendall(GET + b"\r\n")
    assert answer(other) == (200, "")


def test_a_full_server_drops_a_body_that_does_not_come(run: Callable[..., Running]) -> None:
    running = run(connections=3)
    hold = GET.replace(b"/ ", b"/hold ", 1) + b"\r\n"
    other = running.dial("127.0.0.3", send=hold)
    assert running.app.holding.acquire(timeout=WAIT_S)
    head = GET.replace(b"GET", b"POST") + b"Content-Length: 40\r\n\r\n"
    crowd = [running.dial("127.0.0.2", send=head) for _ in range(2)]
    for _ in range(3):
        assert running.app.begun.acquire(timeout=WAIT_S)
    assert answer(running.dial(send=GET + b"\r\n")) == (200, "")
    assert answer(crowd[0]) == (0, "")
    other.setblocking(False)
    with pytest.raises(BlockingIOError):
        other.recv(1)


def test_a_server_whose_connections_are_all_busy_says_so(run: Callable[..., Running]) -> None:
    running = run(connections=2)
    hold = GET.replace(b"/ ", b"/hold ", 1) + b"\r\n"
    for _ in range(2):
        running.dial(send=hold)
        assert running.app.holding.acquire(timeout=WAIT_S)
    assert answer(running.dial()) == (503, "overloaded")


@pytest.mark.parametrize("reset", [False, True])
def test_the_app_can_tell_that_its_client_left(run: Callable[..., Running], reset: bool) -> None:
    running = run()
    connection = running.dial(send=GET.replace(b"/ ", b"/hold ", 1) + b"\r\n")
    assert running.app.holding.acquire(timeout=WAIT_S)
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    second = running.dial(send=GET + b"\r\n")
    assert answer(second) == (200, "")
    assert sorted(running.app.gone) == [False, True]


def test_a_reset_is_known_in_the_same_turn(run: Callable[..., Running]) -> None:
    """Else a quick model answers, logs and counts before anybody hears that nobody waits."""
    running = run()
    assert answer(running.dial(send=GET.replace(b"/ ", b"/reset ", 1) + b"\r\n")) == (0, "")
    assert answer(running.dial(send=GET + b"\r\n")) == (200, "")
    assert running.app.gone == [True, False]


def test_a_client_that_does_not_read_its_answer_is_dropped(run: Callable[..., Running]) -> None:
    running = run(write_seconds=0.2)
    connection = running.dial(send=GET.replace(b"/ ", b"/much ", 1) + b"\r\n")
    with pytest.raises(OSError, match=r"reset|pipe"):
        while True:  # the server takes what is sent until it drops the connection
            connection.sendall(b" " * 65_536)


def test_a_full_server_drops_a_client_that_reads_nothing(run: Callable[..., Running]) -> None:
    running = run(connections=1)
    running.dial(send=GET.replace(b"/ ", b"/much ", 1) + b"\r\n")
    statuses = []
    while 200 not in statuses:  # until the buffers of its connection are full
        statuses.append(answer(running.dial(send=GET + b"\r\n"))[0])
        assert len(statuses) < 1_000
    assert set(statuses) <= {0, 200, 503}


def test_a_client_with_a_large_body_can_be_seen_to_leave(run: Callable[..., Running]) -> None:
    """A large body pauses the reading of its connection."""
    running = run()
    size = 3 << 20
    head = b"POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
    connection = running.dial(send=head + b"x" * size)
    assert running.app.holding.acquire(timeout=WAIT_S)
    connection.close()
    second = running.dial(send=GET + b"\r\n")
    assert answer(second) == (200, "")
    while len(running.app.gone) < 2:
        running.dial(send=GET + b"\r\n")
    assert True in running.app.gone
