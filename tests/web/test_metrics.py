"""What Prometheus reads."""

from __future__ import annotations

import asyncio
import base64
import platform
from collections.abc import Iterator
from typing import Any

import anyio.to_thread
import pytest
from prometheus_client import CollectorRegistry

from tests.web.conftest import SAMPLES
from tidemill.adapters.memory import FixedClock
from tidemill.domain.types import Answer, Prediction
from tidemill.web.metrics import VersionCounter


def numbers(client: Any) -> dict[str, float]:
    lines = client.request("GET", "/metrics").text.splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name: float(value) for name, value in pairs}


def test_requests_are_counted_by_template(client: Any) -> None:
    for path in ("/v1/models/v1", "/v1/models/v9", "/v1/models/v8", "/no/such/route"):
        client.request("GET", path)
    client.request("BREW", "/v1/live")
    read = numbers(client)
    model = ['method="GET"', 'handler="/v1/models/{id}"']
    assert model
    ok = 'http_requests_total{handler="/v1/models/{id}",method="GET",status="200"}'
    assert read[ok] == 1
    assert read[ok.replace("200", "404")] == 2
    assert read['http_requests_total{handler="unmatched",method="GET",status="404"}'] == 1
    assert read['http_requests_total{handler="/v1/live",method="other",status="405"}'] == 1
    assert not any("no/such" in name or "BREW" in name for name in read)
    count = 'http_request_duration_seconds_count{handler="/v1/models/{id}",method="GET"}'
    assert read[count] == 3


def test_predictions_batches_queue_and_slots(client: Any, workspace: Any, red: bytes) -> None:
    row = {"image": base64.b64encode(red).decode()}
    assert client.request("POST", "/v1/predict", json={"instances": [row] * 3}).status_code == 200
    read = numbers(client)
    name = 'tidemill_predictions_total{kind="live",label="Miner",target="disease",version="v1"}'
    assert read[name] == 3
    assert read["tidemill_queue_payloads"] == 0
    assert read["tidemill_batch_payloads_sum"] == 3 + 1 + SAMPLES * 3 + 3
    assert read['tidemill_slot_info{slot="champion",version="v1"}'] == 1
    workspace.promote(workspace.register())
    client.slots.refresh()
    read = numbers(client)
    assert read['tidemill_slot_info{slot="champion",version="v2"}'] == 1
    assert read['tidemill_slot_info{slot="previous",version="v1"}'] == 1


def test_two_apps_count_apart(workspace: Any, start_app: Any) -> None:
    first, second = (start_app(workspace.parts()) for _ in range(2))
    first.request("GET", "/v1/live")
    live = 'http_requests_total{handler="/v1/live",method="GET",status="200"}'
    assert numbers(first)[live] == 1
    assert live not in numbers(second)


def test_head_is_counted_under_its_own_name(client: Any) -> None:
    client.request("HEAD", "/v1/live")
    assert numbers(client)['http_requests_total{handler="/v1/live",method="HEAD",status="200"}']


def test_a_failure_is_counted_by_its_reason(client: Any) -> None:
    client.request("GET", "/v1/models/v9")
    client.request("GET", "/no/such/route")
    client.request("HEAD", "/no/such/route")
    client.request("GET", "/v1/live", headers={"Host": "elsewhere.example"})
    client.request("POST", "/v1/predict", json={})
    read = numbers(client)
    counts = {"not_found": 3, "forbidden": 1, "invalid": 1}
    for reason, count in counts.items():
        assert read[f'http_requests_rejected_total{{reason="{reason}"}}'] == count


def test_only_loaded_versions_have_series(client: Any, workspace: Any, red: bytes) -> None:
    row = {"image": base64.b64encode(red).decode()}
    for _ in range(4):
        workspace.promote(workspace.register())
        client.slots.refresh()
        assert client.request("POST", "/v1/predict", json=row).status_code == 200
    read = numbers(client)
    versions = {name.partition('version="')[2].partition('"')[0] for name in read} - {""}
    assert versions == {"v4", "v5", platform.python_version()}
    name = 'tidemill_predictions_total{kind="live",label="Miner",target="disease",version="v5"}'
    assert read[name] == 1


def test_the_series_are_bounded_when_nobody_reads() -> None:
    counter = VersionCounter(CollectorRegistry())
    for at in range(100):
        answers = (Answer("topic", "a", 1.0, {"a": 1.0}),)
        version, now = f"v{at}", FixedClock().now()
        counter.count([Prediction(f"p{at}", "s", at, version, now, "live", b"", answers)])
    assert len(counter._series) == 1


def test_readiness_and_the_process_are_numbers(workspace: Any, start_app: Any) -> None:
    client = start_app(workspace.parts())
    assert numbers(client)["tidemill_ready"] == 0
    workspace.promote(workspace.register())
    client.slots.refresh()
    read = numbers(client)
    assert read["tidemill_ready"] == 1
    assert read["process_resident_memory_bytes"] > 0
    assert read["process_open_fds"] > 0
    assert any(name.startswith("python_gc_collections_total") for name in read)


def test_each_stage_of_a_prediction_is_measured(client: Any, red: bytes) -> None:
    """Golden requests are none of them: the app has answered some before it was ready."""
    name = 'tidemill_stage_duration_seconds_count{stage="%s"}'
    stages = ("decode", "queue", "model", "log")
    assert [numbers(client)[name % stage] for stage in stages] == [0, 0, 0, 0]
    row = {"image": base64.b64encode(red).decode()}
    assert client.request("POST", "/v1/predict", json={"instances": [row] * 3}).status_code == 200
    assert client.request("POST", "/v1/predict", json={"image": "AAAA"}).status_code == 400
    assert [numbers(client)[name % stage] for stage in stages] == [1, 1, 1, 1]


def test_an_upload_is_counted_apart_from_the_answer(client: Any) -> None:
    """The body comes in two parts, and a GET has none."""

    def parts() -> Iterator[dict[str, Any]]:
        yield {"type": "http.request", "body": b"{", "more_body": True}
        yield {"type": "http.request", "body": b"}", "more_body": False}

    messages = parts()

    async def receive() -> dict[str, Any]:
        return next(messages)

    async def send(_message: Any) -> None:
        pass

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/v1/predict", "query_string": b""}
    asyncio.run(client.app({**scope, "headers": headers}, receive, send))
    client.request("GET", "/v1/live")
    read = numbers(client)
    name = 'http_request_upload_seconds_count{handler="%s"}'
    assert read[name % "/v1/predict"] == 1
    assert name % "/v1/live" not in read
    latency = 'http_request_duration_seconds_sum{handler="/v1/predict",method="POST"}'
    assert 0 < read[latency] < 10


def test_live_ready_info_and_metrics_use_no_thread(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They answer while every thread of the pool waits for the ledger."""
    in_threads: list[str] = []
    run_sync: Any = anyio.to_thread.run_sync

    async def note(*arguments: Any, **choices: Any) -> Any:
        in_threads.append(path)
        return await run_sync(*arguments, **choices)

    monkeypatch.setattr(anyio.to_thread, "run_sync", note)
    cheap = ("/v1/live", "/v1/ready", "/v1/info", "/metrics", "/openapi.json", "/docs")
    for path in (*cheap, "/v1/models"):
        assert client.request("GET", path).status_code == 200
    assert in_threads == ["/v1/models"]
