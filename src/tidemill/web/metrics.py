"""The numbers for Prometheus at `/metrics`. Times are in seconds, sizes in what the name says."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, get_args

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from tidemill.domain.errors import UsageError
from tidemill.domain.types import Prediction
from tidemill.web.slots import SlotState

SECOND_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
STAGE_BUCKETS = (0.0001, 0.00025, 0.0005, *SECOND_BUCKETS)
SIZE_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128)

Stage = Literal["decode", "queue", "model", "log"]
"""
decode  a request's payloads become arrays, the wait for a reader included
queue   a request waits for the model
model   one batch runs
log     one batch is made durable
"""


class Metrics:
    """The numbers of one app, in its own registry. Any thread may count."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "http_requests",
            "Requests answered.",
            ["method", "handler", "status"],
            registry=self.registry,
        )
        self.rejected = Counter(
            "http_requests_rejected",
            "Requests answered with an error, by its code.",
            ["reason"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "http_request_duration_seconds",
            "Time from the last byte of a request to the end of its answer.",
            ["method", "handler"],
            buckets=SECOND_BUCKETS,
            registry=self.registry,
        )
        self.upload_seconds = Histogram(
            "http_request_upload_seconds",
            "Time in which the body of a request arrived.",
            ["handler"],
            buckets=SECOND_BUCKETS,
            registry=self.registry,
        )
        stages = Histogram(
            "tidemill_stage_duration_seconds",
            "Time of one stage of a prediction.",
            ["stage"],
            buckets=STAGE_BUCKETS,
            registry=self.registry,
        )
        self._stages = {stage: stages.labels(stage) for stage in get_args(Stage)}
        self.batch_payloads = Histogram(
            "tidemill_batch_payloads",
            "Payloads of one batch.",
            buckets=SIZE_BUCKETS,
            registry=self.registry,
        )
        self.predictions = VersionCounter(self.registry)
        # What a process has at most: memory, file descriptors, processor time, collections.
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def observe_stage(self, stage: Stage, seconds: float) -> None:
        """Record the time that one stage took, once per request or per batch."""
        self._stages[stage].observe(seconds)

    def count(self, predictions: Sequence[Prediction]) -> None:
        """Count one batch after it was stored."""
        self.batch_payloads.observe(len(predictions))
        self.predictions.count(predictions)

    def add(self, collectors: Sequence[Collector]) -> None:
        """Add a recipe's numbers. Raises UsageError for a name that exists already."""
        for collector in collectors:
            try:
                self.registry.register(collector)
            except ValueError as error:
                raise UsageError(
                    f"A metric of the recipe cannot be added: {error}.",
                    hint="Give it a name that no other metric has.",
                ) from error

    def render(self) -> bytes:
        """Return the numbers in the format of Prometheus."""
        return generate_latest(self.registry)

    def watch(
        self, waiting: Callable[[], int], state: Callable[[], SlotState], ready: Callable[[], bool]
    ) -> None:
        """Read the queue, the slots and the readiness whenever the numbers are read."""
        queue = Gauge(
            "tidemill_queue_payloads",
            "Live payloads that wait for the model.",
            registry=self.registry,
        )
        queue.set_function(waiting)
        readiness = Gauge(
            "tidemill_ready",
            "1 while the server answers predictions, as /v1/ready says.",
            registry=self.registry,
        )
        readiness.set_function(ready)
        self.registry.register(_SlotCollector(state))
        self.predictions.watch(state)


class VersionCounter(Collector):
    """Counts predicted labels by version, for the versions that are loaded.

    Every promotion brings a version. The series of one that is gone are removed when the numbers
    are read, or when another version is first counted, so that their number stays bounded.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counter = Counter(
            "tidemill_predictions",
            "Predicted labels.",
            ["version", "target", "label", "kind"],
            registry=None,
        )
        self._series: dict[str, set[tuple[str, str, str, str]]] = {}
        self._state: Callable[[], SlotState] = SlotState
        # Reading and counting come from different threads.
        self._lock = threading.Lock()
        registry.register(self)

    def watch(self, state: Callable[[], SlotState]) -> None:
        """Take the loaded versions from here."""
        self._state = state

    def count(self, predictions: Sequence[Prediction]) -> None:
        """Count the answers of one batch."""
        # Finding a counter costs more than counting: a graph has thousands of answers, few labels.
        counts = collections.Counter(
            (one.version, answer.target, answer.label, str(one.kind))
            for one in predictions
            for answer in one.answers
        )
        with self._lock:
            for labels, count in counts.items():
                if labels[0] not in self._series:
                    self._forget_gone()
                    self._series[labels[0]] = set()
                self._series[labels[0]].add(labels)
                self._counter.labels(*labels).inc(count)

    def collect(self) -> Iterator[Metric]:
        """Return the series of the loaded versions."""
        with self._lock:
            self._forget_gone()
            return iter([*self._counter.collect()])

    def describe(self) -> Iterator[Metric]:
        """Return the name, so that no recipe takes it."""
        return iter([*self._counter.describe()])

    def _forget_gone(self) -> None:
        state = self._state()
        loaded = {slot.version.id for slot in (state.champion, state.previous) if slot}
        for version in self._series.keys() - loaded:
            for labels in self._series.pop(version):
                self._counter.remove(*labels)


class _SlotCollector(Collector):
    def __init__(self, state: Callable[[], SlotState]) -> None:
        self._state = state

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "tidemill_slot_info", "1 for each version that is loaded.", labels=["slot", "version"]
        )
        state = self._state()
        for name, slot in (("champion", state.champion), ("previous", state.previous)):
            if slot:
                family.add_metric([name, slot.version.id], 1)
        yield family


def build_metrics_route(render: Callable[[], bytes]) -> APIRouter:
    """Return the route that Prometheus reads; `render` returns the numbers in its format.

    It runs on the event loop: a pool whose threads all wait for the ledger would keep the numbers
    back when they are needed most.
    """
    router = APIRouter(tags=["operation"])

    @router.get("/metrics", summary="Numbers for Prometheus.", response_class=PlainTextResponse)
    async def read() -> Response:
        return Response(render(), media_type=CONTENT_TYPE_LATEST)

    return router
