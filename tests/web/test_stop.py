"""A stop is bounded: what can be answered in time is answered, and the process ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from bench.hostile import repeated_scans

from tests.web.test_server import Server, begun_upload, line_of, until_serving
from tidemill.adapters.processors import available_processors
from tidemill.testing.processes import wait_for
from tidemill.web.stop import OVERRAN, STOP_S

PROGRAM = """
import sys, threading
from tidemill.settings import read_settings
from tidemill.web.server import run_server
from tidemill.web.stop import StopTimer
seconds, hang = float(sys.argv[1]), sys.argv[2] == "hang"
if hang:
    threading.Thread(target=threading.Event().wait).start()
announce = lambda url: print(url, flush=True)
run_server(read_settings(), announce=announce, timer=StopTimer(seconds=seconds))
"""
COSTLY = 12 * available_processors()
"""Requests with an image that is decoded for seconds, one for each processor at a time.

No machine decodes so many before the stop.
"""
SECONDS = 60
WAITING = re.compile(r"^tidemill_queue_payloads (\S+)$", re.MULTILINE)


@contextmanager
def running(home: Path, *words: str) -> Iterator[Server]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TIDEMILL_HOME": str(home), "TIDEMILL_PORT": "0"},
    )
    try:
        yield Server(process, line_of(process))
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def serve(on_disk: Any) -> Iterator[Callable[..., Server]]:
    on_disk.promote(on_disk.register())
    with ExitStack() as stack:
        yield lambda *words: stack.enter_context(running(on_disk.root, *words))


def waiting(client: httpx.Client) -> float:
    match = WAITING.search(client.get("/metrics").text)
    assert match, "the metric has this name"
    return float(match[1])


@pytest.mark.slow
def test_requests_in_progress_are_answered_or_refused_and_the_server_ends(
    serve: Callable[..., Server], red: bytes
) -> None:
    server = serve(str(STOP_S), "clean")
    image = repeated_scans(side=4_000, scans=150)

    def ask() -> tuple[int, str]:
        files = {"file": ("scan.jpg", image)}
        with httpx.Client(base_url=server.url, timeout=SECONDS, trust_env=False) as own:
            response = own.post("/v1/predict", files=files)
        return response.status_code, response.json().get("error", {}).get("code", "")

    with (
        httpx.Client(base_url=server.url, timeout=SECONDS, trust_env=False) as client,
        ThreadPoolExecutor(COSTLY) as pool,
    ):
        until_serving(client, "v1")
        answers = [pool.submit(ask) for _ in range(COSTLY)]
        wait_for(lambda: waiting(client) >= COSTLY, "the costly requests", SECONDS)
        connection, rest = begun_upload(server.url, red)
        with closing(connection):
            client.get("/v1/live")
            server.process.send_signal(signal.SIGTERM)
            connection.sendall(rest)
            connection.settimeout(SECONDS)
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200"), "it can be answered in time"
        outcomes = [answer.result(SECONDS) for answer in answers]
    assert {status for status, _ in outcomes} <= {200, 400, 503}
    assert (503, "unavailable") in outcomes, "what waits is refused in words"
    assert server.process.wait(SECONDS) == 0, "by itself"


def test_what_never_ends_does_not_hold_the_process(serve: Callable[..., Server]) -> None:
    server = serve("0.2", "hang")
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(SECONDS) == OVERRAN
    assert server.process.stderr
    assert "did not stop within 0.2 s" in server.process.stderr.read()


@pytest.mark.slow
def test_a_request_that_waits_for_a_locked_ledger_is_refused_in_words(
    serve: Callable[..., Server], on_disk: Any, red: bytes
) -> None:
    server = serve(str(STOP_S), "clean")
    url = httpx.URL(server.url)
    with (
        httpx.Client(base_url=server.url, timeout=SECONDS, trust_env=False) as client,
        closing(sqlite3.connect(on_disk.root / "ledger.sqlite", isolation_level=None)) as other,
        closing(socket.create_connection((url.host, url.port or 0), SECONDS)) as connection,
    ):
        until_serving(client, "v1")
        answer = client.post("/v1/predict", files={"file": ("leaf.png", red)}).json()
        label = {"prediction": answer["predictions"][0]["id"], "label": "Miner"}
        other.execute("BEGIN IMMEDIATE")
        body = json.dumps(label).encode()
        head = f"host: {url.host}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        connection.sendall(f"POST /v1/feedback HTTP/1.1\r\n{head}\r\n\r\n".encode() + body)
        client.get("/v1/live")  # the label came before this, so the server has it
        server.process.send_signal(signal.SIGTERM)
        # Head and body come apart; the end of the connection follows.
        response = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert response.startswith(b"HTTP/1.1 503"), response
    assert b'"unavailable"' in response
    # A thread that waits for the ledger holds the process until its time is over.
    assert server.process.wait(SECONDS) in (0, OVERRAN)
    assert server.process.stderr
    assert "Traceback" not in server.process.stderr.read()
