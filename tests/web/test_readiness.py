"""Ready is a fact about now. Each cause is injected into a running app, and heals in it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tidemill.adapters.memory import MemoryTraffic
from tidemill.adapters.traffic import SqliteTraffic
from tidemill.domain.errors import StorageFailed
from tidemill.domain.ports import Runtime
from tidemill.domain.types import Prediction
from tidemill.web import batcher as batcher_module

FILES = {"files": {"file": ("a.png", b"")}}


def reason(client: Any) -> str:
    """Why the server is not ready; empty when it is. The recipe's health says the same."""
    ready, health = client.request("GET", "/v1/ready"), client.request("GET", "/health")
    assert ready.status_code == health.status_code, (ready.text, health.text)
    if ready.status_code == 200:
        return ""
    assert ready.json()["error"]["code"] == "not_ready"
    message: str = ready.json()["error"]["message"]
    return message


class FailingTraffic(MemoryTraffic):
    """Fails while there is an error."""

    def __init__(self) -> None:
        super().__init__()
        self.error: Exception | None = None

    def append(self, predictions: Sequence[Prediction]) -> None:
        self.check()
        super().append(predictions)

    def check(self) -> None:
        if self.error:
            raise self.error


@pytest.fixture
def traffic(workspace: Any) -> FailingTraffic:
    traffic = FailingTraffic()
    workspace.traffic = traffic
    return traffic


def test_a_log_that_cannot_be_written(traffic: FailingTraffic, client: Any, red: bytes) -> None:
    assert reason(client) == ""
    traffic.error = StorageFailed("The disk is full.")
    refused = client.request("POST", "/v1/predict", files={"file": ("a.png", red)})
    assert refused.status_code == 503
    assert reason(client) == "The disk is full."
    client.app.state.watch.look()
    assert reason(client) == "The disk is full."
    traffic.error = None
    client.app.state.watch.look()
    assert reason(client) == ""


def test_a_log_that_is_gone_is_noticed_before_a_request(
    workspace: Any, start_app: Any, tmp_path: Path
) -> None:
    log = tmp_path / "traffic" / "0.sqlite"
    workspace.traffic = SqliteTraffic(log.parent, "0")
    workspace.promote(workspace.register())
    client = start_app(workspace.parts())
    log.rename(log.with_suffix(".away"))
    client.app.state.watch.look()
    assert "is gone" in reason(client)
    log.with_suffix(".away").rename(log)
    client.app.state.watch.look()
    assert reason(client) == ""
    workspace.traffic.close()


class GatedRuntime:
    """Waits at the gate, or ends the thread that runs it."""

    alone = False

    def __init__(self, inner: Runtime) -> None:
        self.inner = inner
        self.entered, self.gate = threading.Event(), threading.Event()
        self.gate.set()
        self.ends = False

    def terminate(self) -> None:
        """It waits for the gate alone."""

    def run(self, arrays: Mapping[str, Any]) -> Mapping[str, Any]:
        self.entered.set()
        assert self.gate.wait(20)
        if self.ends:
            raise SystemExit
        return self.inner.run(arrays)


@pytest.fixture
def gated(workspace: Any, start_app: Any) -> Iterator[tuple[Any, GatedRuntime]]:
    gates: list[GatedRuntime] = []

    def wrap(runtime: Runtime) -> Runtime:
        gates.append(GatedRuntime(runtime))
        return gates[-1]

    workspace.wrap = wrap
    workspace.promote(workspace.register())
    client = start_app(workspace.parts())
    yield client, gates[0]
    gates[0].gate.set()


def test_a_request_that_waits_too_long(
    gated: tuple[Any, GatedRuntime], red: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, runtime = gated
    runtime.entered.clear()
    runtime.gate.clear()
    waiting = client.send("POST", "/v1/predict", files={"file": ("a.png", red)})
    assert runtime.entered.wait(20)
    assert reason(client) == ""
    monkeypatch.setattr(batcher_module, "MAX_WAIT_S", 0.0)
    assert "waited for the model" in reason(client)
    runtime.gate.set()
    assert waiting.result(20).status_code == 200
    assert reason(client) == ""


def test_a_disk_that_hangs_does_not_keep_a_run_from_its_end(gated: Any) -> None:
    """One thread looks at files, another one at the runs of models."""
    client, _ = gated
    files = client.app.state.watch
    assert client.batcher.check_log in files._checks
    assert client.batcher.look_after not in files._checks
    assert {"tidemill-watch", "tidemill-runs"} <= {each.name for each in threading.enumerate()}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_has_ended_is_started_again(
    gated: tuple[Any, GatedRuntime], red: bytes
) -> None:
    client, runtime = gated
    runtime.ends = True
    thread = client.batcher._live._thread
    failed = client.request("POST", "/v1/predict", files={"file": ("a.png", red)})
    assert failed.status_code == 503
    thread.join(20)
    assert "has ended" in reason(client)
    runtime.ends = False
    client.batcher.look_after()
    assert reason(client) == ""
    answer = client.request("POST", "/v1/predict", files={"file": ("a.png", red)})
    assert answer.status_code == 200


def test_a_bundle_that_is_not_the_registered_one_any_more(workspace: Any, client: Any) -> None:
    champion = client.slots.state.champion
    file = champion.predictor.bundle.path / "card.md"
    before = file.read_bytes()
    client.app.state.watch.look()
    assert reason(client) == ""
    file.write_bytes(before + b"!")
    client.app.state.watch.look()
    assert "does not match" in reason(client)
    file.unlink()
    client.app.state.watch.look()
    assert "differ" in reason(client)
    file.write_bytes(before)
    client.app.state.watch.look()
    assert reason(client) == ""
