"""What workers share: limits are divided, rates and metrics are common."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.web.conftest import image
from tidemill.adapters.memory import MemoryTraffic
from tidemill.domain.errors import StorageFailed, UsageError
from tidemill.loop.prediction_log import PredictionLog, PredictionRequest, observe
from tidemill.settings import read_settings
from tidemill.web.admission import BodyLimits, divide_limits
from tidemill.web.metrics import Metrics
from tidemill.web.shared_metrics import SharedMetrics, end_metrics
from tidemill.web.shared_rates import SharedRates
from tidemill.web.slots import Slot, SlotState
from tidemill.web.worker import Worker, divide_settings

RED = image((200, 10, 10))
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_workers_divide_the_limits_of_a_server() -> None:
    one = read_settings(workers=4, connections=10, queue=400, traffic_max_mb=9)
    share = divide_settings(one)
    assert (share.connections, share.queue, share.traffic_max_mb) == (3, 100, 3)
    assert divide_settings(read_settings(traffic_max_mb=0, workers=4)).traffic_max_mb == 0


@pytest.mark.parametrize(("queue", "request_payloads", "share"), [(256, 64, 64), (10, 64, 10)])
def test_each_worker_takes_every_request_of_the_largest_size(
    queue: int, request_payloads: int, share: int
) -> None:
    settings = read_settings(workers=8, queue=queue, request_payloads=request_payloads)
    assert divide_settings(settings).queue == share


@pytest.mark.parametrize("workers", range(1, 17))
def test_workers_together_hold_the_bodies_of_one_server(workers: int) -> None:
    limits = divide_limits(BodyLimits(), workers)
    assert limits.total * workers <= BodyLimits().total
    assert limits.small < limits.body <= min(limits.total_of_client, limits.total_of_large)


def test_a_worker_is_handed_over_as_text(tmp_path: Path) -> None:
    worker = Worker("0-1", tmp_path / "a:b", 5, 6)
    assert Worker.parse(str(worker)) == worker
    with pytest.raises(UsageError, match="names no worker"):
        Worker.parse("0-1:five:6:/")


def test_all_workers_take_tokens_of_one_bucket(tmp_path: Path) -> None:
    first, second = SharedRates(tmp_path), SharedRates(tmp_path)
    assert [each.take("a", 2, NOW) for each in (first, second)] == [0, 0]
    assert first.take("a", 2, NOW) == second.take("a", 2, NOW) == 30
    assert first.take("b", 2, NOW) == 0
    assert second.take("a", 2, NOW + timedelta(seconds=30)) == 0
    second.close()
    with pytest.raises(StorageFailed):
        second.take("a", 2, NOW)
    first.close()


def metrics_of(slot: Slot, folder: Path, name: str, ready: bool = True) -> tuple[Metrics, Any]:
    metrics = Metrics()
    metrics.watch(lambda: 3, lambda: SlotState(slot), lambda: ready)
    return metrics, SharedMetrics(metrics, folder, name)


def rows_of(text: bytes) -> dict[str, float]:
    lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


@pytest.fixture
def slot(workspace: Any) -> Slot:
    version = workspace.register()
    return Slot(version, workspace.load(version))


def test_metrics_are_those_of_all_workers(slot: Slot, tmp_path: Path) -> None:
    one, first = metrics_of(slot, tmp_path, "0-1")
    two, second = metrics_of(slot, tmp_path, "1-2", ready=False)
    for metrics, seconds in ((one, 0.001), (two, 0.1), (two, 0.1)):
        metrics.requests.labels("GET", "/a", "200").inc()
        metrics.observe_stage("model", seconds)
    second.write()
    rows = rows_of(first.render())
    assert rows['http_requests_total{handler="/a",method="GET",status="200"}'] == 3
    assert rows['tidemill_stage_duration_seconds_count{stage="model"}'] == 3
    assert rows['tidemill_stage_duration_seconds_bucket{le="0.001",stage="model"}'] == 1
    assert rows["tidemill_queue_payloads"] == 6
    assert rows["tidemill_ready"] == 0
    assert rows['tidemill_slot_info{slot="champion",version="v1"}'] == 1
    first.write()
    own = ("process_", "python_gc", "tidemill_batch")
    shown = rows_of(second.render())
    assert {k: v for k, v in shown.items() if not k.startswith(own)} == {
        k: v for k, v in rows.items() if not k.startswith(own)
    }
    assert rows.keys() == rows_of(one.render()).keys()


def test_counts_of_an_ended_worker_stay_and_its_gauges_go(
    workspace: Any, slot: Slot, tmp_path: Path
) -> None:
    newer = workspace.register(sharpness=2.0)
    _, first = metrics_of(slot, tmp_path, "0-1")
    two, second = metrics_of(Slot(newer, slot.predictor), tmp_path, "1-2")
    two.requests.labels("GET", "/a", "200").inc(5)
    second.write()
    assert rows_of(first.render())["tidemill_queue_payloads"] == 6
    end_metrics(tmp_path, "1-2")
    end_metrics(tmp_path, "9-9")
    rows = rows_of(first.render())
    assert rows['http_requests_total{handler="/a",method="GET",status="200"}'] == 5
    assert rows["tidemill_queue_payloads"] == 3
    assert 'tidemill_slot_info{slot="champion",version="v2"}' not in rows


def test_series_of_a_version_that_nobody_serves_are_gone(
    workspace: Any, slot: Slot, tmp_path: Path
) -> None:
    newer = Slot(workspace.register(sharpness=2.0), slot.predictor)
    _, first = metrics_of(slot, tmp_path, "0-1")
    two, second = metrics_of(newer, tmp_path, "1-2")
    log = PredictionLog(server="s", clock=workspace.clock, traffic=MemoryTraffic())
    request = PredictionRequest(RED, slot.predictor.preprocess(RED))
    two.count(log.record(observe(newer, [request])))
    second.write()
    assert [name for name in rows_of(first.render()) if "predictions_total" in name]
    end_metrics(tmp_path, "1-2")
    assert not [name for name in rows_of(first.render()) if "predictions_total" in name]
