"""Several processes serve one port: they share its limits, and one that dies is replaced."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.web.test_keys import create_key
from tidemill.adapters.child_process import Ended, ServerProcess
from tidemill.adapters.traffic import TrafficFiles
from tidemill.domain.errors import TidemillError, Unavailable
from tidemill.settings import read_settings
from tidemill.testing.processes import wait_for
from tidemill.web.address import bind
from tidemill.web.supervisor import run_workers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux shares a port")

SETTINGS = {"TIDEMILL_WORKERS": "2", "TIDEMILL_POLL_MS": "20"}
SECONDS = 300


@pytest.fixture
def server(on_disk: Any) -> Iterator[ServerProcess]:
    on_disk.promote(on_disk.register())
    with ServerProcess(on_disk.root, settings=SETTINGS) as process:
        yield process


def workers_of(pid: int) -> list[int]:
    """The processes that a process has started."""
    children = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in children for child in path.read_text().split()]


def ask(url: str, method: str, path: str, **options: Any) -> httpx.Response:
    """Send one request over a connection of its own, so that any worker may get it."""
    return httpx.request(method, url + path, timeout=SECONDS, trust_env=False, **options)


def servers_of(url: str, count: int = 2) -> set[str]:
    """The ids of so many workers."""
    ids: set[str] = set()

    def has_all() -> bool:
        ids.add(ask(url, "GET", "/v1/info").json()["server"])
        return len(ids) == count

    wait_for(has_all, f"an answer of {count} workers")
    return ids


def predict(url: str, payload: bytes) -> str:
    response = ask(url, "POST", "/v1/predict", files={"file": ("leaf.png", payload)})
    assert response.status_code == 200, response.text
    return str(response.json()["predictions"][0]["id"])


def predictions_counted(url: str) -> float:
    text = ask(url, "GET", "/metrics").text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "tidemill_predictions_total" and sample.labels["kind"] == "live"
    )


def test_workers_answer_for_each_other(server: ServerProcess, on_disk: Any, red: bytes) -> None:
    """Each logs its own predictions; every one finds and counts those of all."""
    assert len(servers_of(server.url)) == 2
    files = TrafficFiles(on_disk.root / "traffic")
    ids: list[str] = []

    def both_have_answered() -> bool:
        ids.append(predict(server.url, red))
        logs = {prediction.server for id in ids if (prediction := files.find(id))}
        return len(logs) == 2

    wait_for(both_have_answered, "a prediction of each worker")
    for id in ids:
        # A worker that has not predicted it finds it, too.
        labels = {"prediction": id, "label": "Healthy", "target": "disease"}
        assert ask(server.url, "POST", "/v1/feedback", json=labels).status_code == 200
    wait_for(lambda: predictions_counted(server.url) == len(ids), "the sum of both counts")


def test_a_worker_that_is_killed_loses_no_prediction_and_is_replaced(
    server: ServerProcess, on_disk: Any, red: bytes
) -> None:
    before = servers_of(server.url)
    ids = [predict(server.url, red) for _ in range(4)]
    wait_for(lambda: predictions_counted(server.url) == len(ids), "the sum of both counts")
    victim, other = workers_of(server.pid)
    os.kill(victim, signal.SIGKILL)
    # A connection that the killed worker had not taken yet is reset.
    wait_for(lambda: victim not in workers_of(server.pid), "the end of the worker")
    ids += [predict(server.url, red) for _ in range(4)]
    files = TrafficFiles(on_disk.root / "traffic")
    assert all(files.find(id) for id in ids)
    wait_for(lambda: len(workers_of(server.pid)) == 2, "another worker")
    assert other in workers_of(server.pid)
    assert servers_of(server.url) != before
    assert predictions_counted(server.url) >= len(ids) - 4
    wait_for(lambda: predictions_counted(server.url) == len(ids), "the count of all three")


@pytest.mark.slow
def test_a_key_has_one_rate_for_all_workers(
    server: ServerProcess, on_disk: Any, workspace: Any, red: bytes
) -> None:
    _, secret = create_key(workspace, "predict", rate=3)
    headers = {"Authorization": f"Bearer {secret}"}
    assert len(servers_of(server.url)) == 2

    def status() -> int:
        files = {"file": ("leaf.png", red)}
        return ask(server.url, "POST", "/v1/predict", files=files, headers=headers).status_code

    wait_for(lambda: status() != 401, "the key in one worker")
    statuses = [status() for _ in range(16)]
    # A token comes back after 20 seconds, which a busy machine may take.
    assert set(statuses) <= {200, 401, 429}
    assert statuses.count(200) <= 4


@pytest.mark.slow
def test_the_server_ends_on_a_signal_and_its_workers_with_it(server: ServerProcess) -> None:
    workers = workers_of(server.pid)
    os.kill(server.pid, signal.SIGTERM)
    assert server.wait() == 0
    assert [pid for pid in workers if Path(f"/proc/{pid}").exists()] == []


def test_workers_end_when_their_supervisor_is_killed(server: ServerProcess) -> None:
    workers = workers_of(server.pid)
    server.kill()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), "their end")


def test_a_start_that_fails_says_why_once(on_disk: Any) -> None:
    with pytest.raises(Ended) as caught:
        ServerProcess(on_disk.root, settings=SETTINGS)
    assert caught.value.exit_code == 4
    assert "No model is registered" in str(caught.value.error)


@pytest.mark.slow
def test_a_worker_that_cannot_start_again_ends_the_server(on_disk: Any) -> None:
    on_disk.promote(on_disk.register())
    urls: SimpleQueue[str] = SimpleQueue()
    errors: SimpleQueue[Exception] = SimpleQueue()
    settings = read_settings(home=on_disk.root, port=0, workers=2, poll_ms=20)

    def run() -> None:
        try:
            run_workers(settings, announce=urls.put, first_pause_s=0.0, failed_starts=1)
        except TidemillError as error:
            errors.put(error)

    others = set(workers_of(os.getpid()))
    thread = threading.Thread(target=run)
    thread.start()
    urls.get(timeout=SECONDS)
    victim = min(set(workers_of(os.getpid())) - others)
    (on_disk.root / "ledger.sqlite").rename(on_disk.root / "moved.sqlite")
    os.kill(victim, signal.SIGKILL)
    # Either the ledger is gone, or the other worker has made an empty one by now.
    error = errors.get(timeout=SECONDS)
    assert "killed by signal" not in str(error)
    thread.join(SECONDS)
    assert set(workers_of(os.getpid())) <= others


@pytest.mark.parametrize("shared", [False, True])
def test_a_port_in_use_is_noticed_before_a_worker_starts(on_disk: Any, shared: bool) -> None:
    with bind("127.0.0.1", 0) as first, closing(socket.socket()) as second:
        port = first.getsockname()[1]
        if shared:
            first.close()
            second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            second.bind(("127.0.0.1", port))
            second.listen()
        settings = read_settings(home=on_disk.root, port=port, workers=2)
        with pytest.raises(Unavailable, match="is in use"):
            run_workers(settings, announce=lambda _: pytest.fail("it is not served"))
