"""The real process: one for the whole file, because starting it is what costs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tidemill.domain.errors import Unavailable, UsageError
from tidemill.serving import load_routes, open_parts
from tidemill.settings import read_settings
from tidemill.web.address import bind, url_of
from tidemill.web.server import run_server

PROGRAM = """
import json, sys
from tidemill.settings import read_settings
from tidemill.web.server import run_server
run_server(read_settings(), announce=lambda url: print(url, flush=True))
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), flush=True)
"""
SECONDS = 30


@dataclass
class Server:
    process: subprocess.Popen[str]
    url: str


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


@pytest.fixture
def server(on_disk: Any) -> Iterator[Server]:
    home: Path = on_disk.root
    on_disk.promote(on_disk.register())
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "TIDEMILL_HOME": str(home),
            "TIDEMILL_PORT": "0",
            "TIDEMILL_POLL_MS": "20",
        },
    )
    try:
        yield Server(process, line_of(process))
    finally:
        process.kill()
        process.communicate()


def until_serving(client: httpx.Client, version: str) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        response = client.get("/v1/ready")
        if response.status_code == 200 and response.json()["version"] == version:
            return
    pytest.fail(f"{version} was not served within {SECONDS} s: {response.text}")


def begun_upload(url: str, payload: bytes) -> tuple[socket.socket, bytes]:
    """A connection that has sent an image without its last bytes, and those bytes."""
    connection = socket.create_connection((httpx.URL(url).host, httpx.URL(url).port or 0))
    request = httpx.Request("POST", f"{url}/predict", files={"file": ("leaf.png", payload)})
    body = request.read()
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    connection.sendall(f"POST /predict HTTP/1.1\r\n{head}\r\n".encode() + body[:-20])
    return connection, body[-20:]


def test_a_real_server(server: Server, workspace: Any, red: bytes) -> None:
    """The server is ready, answers, follows the ledger and ends; it loads no heavy library."""
    with httpx.Client(base_url=server.url, timeout=SECONDS, trust_env=False) as client:
        until_serving(client, "v1")
        answer = client.post("/predict", files={"file": ("leaf.png", red)})
        assert answer.json()["prediction"] == "Miner"
        result = client.get(f"/v1/predictions/{answer.headers['X-Prediction-Id']}")
        assert (result.status_code, result.json()["lineage"]["seed"]) == (202, 7)
        workspace.promote(workspace.register(sharpness=2.0))
        until_serving(client, "v2")
        assert client.get("/docs").status_code == 200
        assert client.get("/metrics").status_code == 200

        connection, rest = begun_upload(server.url, red)
        with closing(connection):
            client.get("/v1/live")  # the upload came before this, so the server has it
            server.process.send_signal(signal.SIGTERM)
            connection.sendall(rest)
            connection.settimeout(SECONDS)
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
    loaded = set(json.loads(line_of(server.process)))
    assert server.process.wait(SECONDS) == 0
    assert {"fastapi", "onnxruntime", "tidemill"} <= loaded
    assert not loaded & {"torch", "scipy", "pyarrow", "hydra", "alembic", "onnx", "lightning"}


def test_a_port_in_use_has_a_hint() -> None:
    with bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(Unavailable, match=f"Port {port} of 127.0.0.1 is in use") as caught:
            bind("127.0.0.1", port)
        assert "--port 0" in caught.value.hint
        assert url_of(first) == f"http://127.0.0.1:{port}"


def test_an_address_of_another_machine() -> None:
    with pytest.raises(Unavailable, match="cannot be bound"):
        bind("192.0.2.1", 0)


def logs(home: Path) -> list[Path]:
    return list(home.glob("traffic/*"))


def test_a_start_that_fails_leaves_no_log_behind(on_disk: Any) -> None:
    settings = read_settings(home=on_disk.root, port=0)
    with pytest.raises(Unavailable, match="No model is registered"):
        open_parts(settings)
    on_disk.recipe = "tea"
    on_disk.register()
    with pytest.raises(Unavailable, match="'tea'"):
        open_parts(settings)
    assert logs(on_disk.root) == []
    on_disk.recipe = "coffee"
    on_disk.register()
    serving, routes = open_parts(settings)
    serving.close()
    assert callable(routes)
    assert len(logs(on_disk.root)) == 1


def test_an_execution_provider_that_is_not_installed_is_named_at_the_start(on_disk: Any) -> None:
    on_disk.register()
    settings = read_settings(home=on_disk.root, port=0, providers="NoSuchProvider")
    with pytest.raises(UsageError, match="NoSuchProvider is not in the installed") as caught:
        open_parts(settings)
    assert "CPUExecutionProvider" in caught.value.hint
    assert logs(on_disk.root) == []


def test_an_address_in_use_is_noticed_before_anything_is_opened(on_disk: Any) -> None:
    with (
        bind("127.0.0.1", 0) as listener,
        pytest.raises(Unavailable, match="is in use"),
    ):
        run_server(
            read_settings(home=on_disk.root / "nothing", port=listener.getsockname()[1]),
            announce=lambda _: pytest.fail("it is not served"),
        )


def test_a_server_ends_when_its_announcement_fails(on_disk: Any) -> None:
    on_disk.register()
    threads = {thread.name for thread in threading.enumerate()}

    def announce(_: str) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run_server(read_settings(home=on_disk.root, port=0), announce=announce)
    assert {t.name for t in threading.enumerate()} & {"tidemill-batch", "tidemill-slots"} <= threads


def test_a_server_ends_on_a_signal(on_disk: Any) -> None:
    on_disk.register()
    ends: list[Callable[[], None]] = []
    result: list[str] = []

    def announce(url: str) -> None:
        result.append(url)
        ends[0]()

    run_server(read_settings(home=on_disk.root, port=0), announce=announce, watch=ends.append)
    assert result[0].startswith("http://127.0.0.1:")


def test_routes_that_are_not_installed() -> None:
    assert callable(load_routes("coffee"))
    with pytest.raises(Unavailable, match="'tea'"):
        load_routes("tea")
