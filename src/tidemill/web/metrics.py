"""The numbers for Prometheus at `/metrics`, and the middleware that counts requests."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter

from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidemill.domain.errors import UsageError
from tidemill.domain.types import Prediction
from tidemill.web.recipe_server import is_golden_request
from tidemill.web.slots import SlotState

SECOND_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZE_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The numbers of one app, in its own registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "http_requests",
            "Requests answered.",
            ["method", "handler", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "http_request_duration_seconds",
            "Time from a request to its answer.",
            ["method", "handler"],
            buckets=SECOND_BUCKETS,
            registry=self.registry,
        )
        self.predictions = Counter(
            "tidemill_predictions",
            "Predicted labels.",
            ["version", "target", "label", "kind"],
            registry=self.registry,
        )
        self.batches = Histogram(
            "tidemill_batch_size",
            "Payloads of one batch.",
            buckets=SIZE_BUCKETS,
            registry=self.registry,
        )

    def count(self, predictions: Sequence[Prediction]) -> None:
        """Count one batch after it was stored."""
        self.batches.observe(len(predictions))
        # Finding a counter costs more than counting: a graph has thousands of answers, few labels.
        counts = collections.Counter(
            (one.version, answer.target, answer.label, one.kind)
            for one in predictions
            for answer in one.answers
        )
        for labels, count in counts.items():
            self.predictions.labels(*labels).inc(count)

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

    def watch(self, waiting: Callable[[], int], state: Callable[[], SlotState]) -> None:
        """Read the queue and the slots whenever the numbers are read."""
        gauge = Gauge(
            "tidemill_queue_payloads",
            "Live payloads that wait for the model.",
            registry=self.registry,
        )
        gauge.set_function(waiting)
        self.registry.register(_SlotCollector(state))


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


class Meter:
    """Counts requests by route template, never by path, and leaves golden requests out."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_golden_request(scope):
            await self.app(scope, receive, send)
            return
        status = 500
        start = perf_counter()

        async def counting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, counting_send)
        finally:
            handler = getattr(scope.get("route"), "path", "unmatched")
            method = scope["method"] if scope["method"] in METHODS else "other"
            self.metrics.requests.labels(method, handler, status).inc()
            self.metrics.seconds.labels(method, handler).observe(perf_counter() - start)


METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
"""The known methods. A client may send any other word, which must not become a label value."""


def build_metrics_route(metrics: Metrics) -> APIRouter:
    """Return the route that Prometheus reads."""
    router = APIRouter(tags=["operation"])

    @router.get("/metrics", summary="Numbers for Prometheus.", response_class=Response)
    def read() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return router
