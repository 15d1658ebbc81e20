"""What Prometheus reads at `/metrics`, and the middleware that counts requests."""

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
from tidemill.web.answerer import is_probe
from tidemill.web.slots import View

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The numbers of one app, in a registry of their own."""

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
            buckets=SECONDS,
            registry=self.registry,
        )
        self.predictions = Counter(
            "tidemill_predictions",
            "Answers given, by label.",
            ["version", "target", "label", "kind"],
            registry=self.registry,
        )
        self.batches = Histogram(
            "tidemill_batch_size",
            "Payloads that were answered and kept together.",
            buckets=SIZES,
            registry=self.registry,
        )

    def count(self, predictions: Sequence[Prediction]) -> None:
        """Count one batch that was kept."""
        self.batches.observe(len(predictions))
        # To find a child costs more than to count: of a graph's thousands there are a few.
        counts = collections.Counter(
            (one.version, answer.target, answer.label, one.kind)
            for one in predictions
            for answer in one.answers
        )
        for labels, count in counts.items():
            self.predictions.labels(*labels).inc(count)

    def add(self, collectors: Sequence[Collector]) -> None:
        """Show a recipe's numbers as well. Raises UsageError for a name that is taken."""
        for collector in collectors:
            try:
                self.registry.register(collector)
            except ValueError as error:
                raise UsageError(
                    f"A number of the recipe cannot be shown: {error}.",
                    hint="Give it a name that neither the server nor another one has.",
                ) from error

    def watch(self, waiting: Callable[[], int], view: Callable[[], View]) -> None:
        """Have these read whenever the numbers are."""
        gauge = Gauge(
            "tidemill_queue_payloads",
            "Live payloads that wait for the model.",
            registry=self.registry,
        )
        gauge.set_function(waiting)
        self.registry.register(_Served(view))


class _Served(Collector):
    def __init__(self, view: Callable[[], View]) -> None:
        self._view = view

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "tidemill_slot_info", "1 for each version that is loaded.", labels=["slot", "version"]
        )
        view = self._view()
        for name, slot in (("champion", view.champion), ("previous", view.previous)):
            if slot:
                family.add_metric([name, slot.version.id], 1)
        yield family


class Meter:
    """Counts requests by route template, never by path. The server's own probes are left out."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_probe(scope):
            await self.app(scope, receive, send)
            return
        status = 500
        began = perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            handler = getattr(scope.get("route"), "path", "unmatched")
            method = scope["method"] if scope["method"] in METHODS else "other"
            self.metrics.requests.labels(method, handler, status).inc()
            self.metrics.seconds.labels(method, handler).observe(perf_counter() - began)


METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
"""Anything else a client may make up; a label must not take its word."""


def build(metrics: Metrics) -> APIRouter:
    """The route that Prometheus reads."""
    router = APIRouter(tags=["operation"])

    @router.get("/metrics", summary="Numbers for Prometheus.", response_class=Response)
    def read() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return router
