"""The sentiment system's routes alone. tests/web checks them with a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from prometheus_client import CollectorRegistry

from tests.recipes.unused_server import UnusedServer
from tidemill.adapters.memory import FixedClock
from tidemill.domain.drift import DriftVerdict, FeatureDrift
from tidemill.domain.errors import BadPayload, TidemillError, Unavailable
from tidemill.domain.feedback import Feedback
from tidemill.domain.types import Answer, Labels, Prediction
from tidemill.recipes.routes import DriftState, Server
from tidemill.recipes.sentiment.report import (
    MAX_PREDICTIONS,
    MAX_VERDICTS,
    build_report,
    render_drift_page,
)
from tidemill.recipes.sentiment.routes import build
from tidemill.web import errors

pytestmark = pytest.mark.anyio
NOW = FixedClock().now()
ROW = {"negative": 0.1, "neutral": 0.2, "positive": 0.7}
FEATURES = (
    FeatureDrift("words", 0.412, 0.2, 0.0001, True),
    FeatureDrift("prediction.sentiment", 0.01, 0.02, 0.5, False),
)
CALM = tuple(replace(row, drifted=False) for row in FEATURES)


def verdict(n: int, *, drifted: bool = False, age: int = 0) -> DriftVerdict:
    """Return a verdict on `n` predictions that is `age` minutes old."""
    at = NOW - timedelta(minutes=age)
    features = FEATURES if drifted else CALM
    return DriftVerdict(f"d{age}", "v1", drifted, n, 400, at, at, features, at, 0.2)


def state(*verdicts: DriftVerdict, waiting: int = 20, needed: int | None = 200) -> DriftState:
    served = waiting + sum(one.n for one in verdicts)
    labels = {"sentiment": {"negative": waiting, "neutral": 0, "positive": 0}}
    return DriftState("v1", served, waiting, needed, labels, verdicts)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Canned(UnusedServer):
    """Returns the same answer for everything, or fails."""

    def __init__(
        self,
        error: TidemillError | None = None,
        *,
        drift: DriftState | None = None,
        probing: bool = False,
    ) -> None:
        self.error = error
        self.state = drift
        self.own = probing
        self.payloads: list[bytes] = []
        self.limits: list[int] = []

    async def predict(self, request: Request, payloads: Sequence[bytes]) -> list[Prediction]:
        if self.error:
            raise self.error
        self.payloads += payloads
        answers = (Answer("sentiment", "positive", 0.7, ROW),)
        return [
            Prediction("id-1", "s", 1, "v1", NOW, "live", payload, answers) for payload in payloads
        ]

    async def record_feedback(
        self, request: Request, payload: bytes, labels: Labels, *, actor: str = "anonymous"
    ) -> list[Feedback]:
        raise Unavailable("Nobody tells anything here.")

    def ready(self) -> bool:
        return self.error is None

    def drift_state(self, *, limit: int) -> DriftState:
        self.limits.append(limit)
        if self.state is None:
            raise Unavailable("There is no champion.")
        return self.state

    def is_golden_request(self, request: Request) -> bool:
        return self.own


class Front:
    """The routes over one server, with what they count."""

    def __init__(self, server: Server) -> None:
        routes = build(server)
        self.registry = CollectorRegistry()
        for collector in routes.collectors:
            self.registry.register(collector)
        self.app = FastAPI()
        self.app.include_router(routes.router)
        errors.install_handlers(self.app)

    async def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **request)

    def number(self, name: str) -> float | None:
        return self.registry.get_sample_value(name)


def refused(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == code


async def test_predict() -> None:
    server = Canned()
    front = Front(server)
    response = await front.ask("POST", "/predict", json={"text": "Sales rose. é"})
    assert (response.status_code, response.json()) == (200, {"label": "positive", "score": 0.7})
    assert response.headers["X-Prediction-Id"] == "id-1"
    assert server.payloads == ["Sales rose. é".encode()]
    assert front.number("prediction_requests_total") == 1
    assert front.number("prediction_error_total") == 0
    assert front.number("prediction_latency_seconds_count") == 1
    assert front.number("review_length_summary_sum") == 13


@pytest.mark.parametrize(
    ("error", "status"),
    [(BadPayload("The text is empty."), 400), (Unavailable("Not ready."), 503)],
)
async def test_predict_that_fails_is_counted_as_such(error: TidemillError, status: int) -> None:
    front = Front(Canned(error))
    refused(await front.ask("POST", "/predict", json={"text": ""}), status, error.code)
    assert front.number("prediction_requests_total") == 1
    assert front.number("prediction_error_total") == 1


@pytest.mark.parametrize("body", [{}, {"text": 3}, {"text": None}, [], {"review": "x"}])
async def test_predict_of_another_form_is_refused(body: Any) -> None:
    server = Canned()
    refused(await Front(server).ask("POST", "/predict", json=body), 422, "invalid")
    assert server.payloads == []


async def test_half_a_character_is_refused() -> None:
    head = {"content-type": "application/json"}
    front = Front(Canned())
    response = await front.ask("POST", "/predict", content=b'{"text": "\\ud800"}', headers=head)
    refused(response, 400, "bad_payload")


async def test_golden_requests_are_not_counted() -> None:
    front = Front(Canned(probing=True))
    assert (await front.ask("POST", "/predict", json={"text": "x"})).status_code == 200
    names = ("prediction_requests_total", "prediction_latency_seconds_count")
    assert [front.number(name) for name in names] == [0, 0]
    assert front.number("review_length_summary_count") == 0


async def test_the_root_describes_the_service() -> None:
    assert "POST /predict" in (await Front(Canned()).ask("GET", "/")).json()["message"]


async def test_health_needs_a_checked_model() -> None:
    assert (await Front(Canned()).ask("GET", "/health")).json() == {"status": "healthy"}
    refused(await Front(Canned(Unavailable("x"))).ask("GET", "/health"), 503, "unavailable")


async def test_stats() -> None:
    front = Front(Canned(drift=state(verdict(300, drifted=True), verdict(200, age=9))))
    assert (await front.ask("GET", "/stats")).json() == {
        "version": "v1",
        "total_predictions": 520,
        "unjudged": 20,
        "needed": 200,
        "labels": {"negative": 20, "neutral": 0, "positive": 0},
        "last_check": NOW.isoformat().replace("+00:00", "Z"),
        "drifted": True,
    }


async def test_stats_before_a_first_check() -> None:
    result = (await Front(Canned(drift=state())).ask("GET", "/stats")).json()
    assert (result["total_predictions"], result["last_check"], result["drifted"]) == (
        20,
        None,
        None,
    )


async def test_the_report_counts_missing_predictions() -> None:
    front = Front(Canned(drift=state()))
    result = (await front.ask("GET", "/report/json")).json()
    assert (result["judged"], result["unjudged"], result["needed"]) == (0, 20, 200)
    assert (result["drifted"], result["verdicts"]) == (None, [])
    message = "No check covers the predictions of v1 yet: 20 predictions wait for the next check"
    assert result["message"] == f"{message}, which needs 200."
    assert result["message"] in (await front.ask("GET", "/report")).text


def test_an_experiment_that_names_no_number_is_not_spoken_for() -> None:
    result = build_report(state(needed=None), 100)
    assert result.message.endswith("yet: 20 predictions wait for the next check.")


async def test_a_report_takes_whole_verdicts_until_enough_were_judged() -> None:
    server = Canned(
        drift=state(verdict(250), verdict(300, drifted=True, age=5), verdict(200, age=9))
    )
    front = Front(server)
    for expected, ids, drifted in (
        (100, 1, False),
        (250, 1, False),
        (251, 2, True),
        (9000, 3, True),
    ):
        result = (await front.ask("GET", f"/report/json?n_predictions={expected}")).json()
        assert [row["id"] for row in result["verdicts"]] == ["d0", "d5", "d9"][:ids]
        assert (result["n_predictions"], result["drifted"]) == (expected, drifted)
        assert ("fewer than the" in result["message"]) == (expected == 9000)
    assert result["judged"] == 750
    assert result["verdicts"][1]["features"][0]["psi"] == 0.412
    assert set(server.limits) == {MAX_VERDICTS}


@pytest.mark.parametrize("path", ["/report", "/report/json"])
@pytest.mark.parametrize("expected", ["0", "-1", str(MAX_PREDICTIONS + 1), "many"])
async def test_a_number_beyond_the_bounds_is_refused(path: str, expected: str) -> None:
    server = Canned(drift=state())
    response = await Front(server).ask("GET", f"{path}?n_predictions={expected}")
    refused(response, 422, "invalid")
    assert server.limits == []


@pytest.mark.parametrize("path", ["/report", "/report/json", "/stats"])
async def test_without_a_champion_nothing_is_reported(path: str) -> None:
    refused(await Front(Canned()).ask("GET", path), 503, "unavailable")


async def test_the_page_shows_every_feature_and_asks_nothing_of_others() -> None:
    front = Front(Canned(drift=state(verdict(250, drifted=True))))
    response = await front.ask("GET", "/report")
    assert response.headers["content-type"].startswith("text/html")
    for reply in ("words", "0.412", "prediction.sentiment", "250 predictions", "400 held-out"):
        assert reply in response.text
    assert "://" not in response.text
    assert "src=" not in response.text


def test_names_on_the_page_are_escaped() -> None:
    evil = replace(verdict(250), features=(FeatureDrift("<script>", 0.1, 0.1, 0.5, False),))
    result = build_report(replace(state(evil), version="<b>"), 100)
    assert "<script>" not in render_drift_page(result)
    assert "&lt;script&gt;" in render_drift_page(result)
    assert "<b>" not in render_drift_page(result)
