"""What Prometheus reads."""

from __future__ import annotations

import base64
from typing import Any

from tests.web.conftest import SAMPLES


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
    assert read["tidemill_batch_size_sum"] == 3 + 1 + SAMPLES * 3
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
