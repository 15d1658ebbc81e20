"""The sentiment system's routes over a served text model and the ledger's verdicts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web import tiny_text
from tidemill.domain.drift import DriftVerdict, FeatureDrift
from tidemill.domain.events import DriftChecked
from tidemill.recipes.sentiment import routes as sentiment

LABELS = ("negative", "neutral", "positive")


@pytest.fixture
def client(workspace: Any, start_app: Any) -> Any:
    """The app, ready, naming sentiments; its experiment's checks need 50 predictions."""
    workspace.recipe = "sentiment"
    files, held_out = tiny_text.files(sentiment.TARGET, LABELS)
    workspace.promote(workspace.enter(files, held_out, config={"drift": {"minimum": 50}}))
    return start_app(workspace.parts(), sentiment.build)


def predicted(client: Any, text: bytes) -> Any:
    return client.request("POST", "/predict", json={"text": text.decode()})


def test_a_text_is_named_with_the_probability_of_its_label(client: Any, workspace: Any) -> None:
    for at, label in enumerate(LABELS):
        response = predicted(client, tiny_text.text(at, 2))
        expected = tiny_text.chances(at, 2, LABELS)[label]
        assert response.json() == {"label": label, "score": pytest.approx(expected, abs=1e-6)}
        assert workspace.traffic.find(response.headers["X-Prediction-Id"]).kind == "live"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": "neutral"}, "was answered where"),
        ({"score": 0.5}, "is off by"),
        ({"score": 1.0}, "is off by"),
    ],
)
def test_a_wrong_response_is_never_served(
    workspace: Any,
    start_app: Any,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    message: str,
) -> None:
    true = sentiment.sentiment_response
    monkeypatch.setattr(
        sentiment,
        "sentiment_response",
        lambda prediction: true(prediction).model_copy(update=change),
    )
    workspace.promote(workspace.enter(*tiny_text.files(sentiment.TARGET, LABELS)))
    response = start_app(workspace.parts(), sentiment.build).request("GET", "/v1/ready")
    assert response.status_code == 503
    assert "POST /predict (json)" in response.json()["error"]["message"]
    assert message in response.json()["error"]["message"]


def test_a_text_that_is_cut_says_so(client: Any) -> None:
    assert "were judged" in predicted(client, tiny_text.text(1, 60)).headers["X-Remarks"]
    assert "X-Remarks" not in predicted(client, tiny_text.text(1, 2)).headers


def test_the_originals_numbers_are_on_metrics_and_count_clients_alone(client: Any) -> None:
    predicted(client, b"alpha")
    assert predicted(client, b"").status_code == 400
    lines = dict(
        line.rsplit(" ", 1)
        for line in client.request("GET", "/metrics").text.splitlines()
        if not line.startswith("#")
    )
    assert float(lines["prediction_requests_total"]) == 2
    assert float(lines["prediction_error_total"]) == 1
    assert float(lines["prediction_latency_seconds_count"]) == 2
    assert float(lines["review_length_summary_sum"]) == 5
    assert "http_requests_total" in str(lines), "the server's own stand beside them"


def test_the_report_is_that_of_the_ledger(client: Any, workspace: Any) -> None:
    body = client.request("GET", "/report/json").json()
    assert (body["version"], body["judged"], body["needed"]) == ("v1", 0, 50)
    assert body["drifted"] is None
    at = workspace.clock.now()
    features = (FeatureDrift("words", 0.4, 0.2, 0.001, True),)
    with workspace.ledger.begin() as unit:
        event = DriftChecked(actor="engine", subject="d1", version="v1", drifted=True)
        unit.record_drift_verdict(
            DriftVerdict("d1", "v1", True, 0, 100, at, at, features, at, 0.2), event
        )
    body = client.request("GET", "/report/json").json()
    assert [row["id"] for row in body["verdicts"]] == ["d1"]
    assert body["drifted"] is True
    assert "words" in client.request("GET", "/report").text
    stats = client.request("GET", "/stats").json()
    assert stats["labels"] == {"negative": 0, "neutral": 0, "positive": 0}


@pytest.mark.parametrize("path", ["/report", "/report/json", "/stats", "/health"])
def test_without_a_champion_the_drift_service_is_not_well(
    workspace: Any, start_app: Any, path: str
) -> None:
    response = start_app(workspace.parts(), sentiment.build).request("GET", path)
    assert response.status_code == 503
    assert response.json()["error"]["message"]


def test_a_text_that_stands_twice_is_refused(client: Any) -> None:
    head = {"content-type": "application/json"}
    for body in ('{"text": "good", "text": "bad"}', '{"text": "good", "te\\u0078t": "bad"}'):
        response = client.request("POST", "/predict", content=body, headers=head)
        assert response.status_code == 422
        assert "The key 'text' stands twice" in response.json()["error"]["message"]
    odd = b"\xef\xbb\xbf" + b'{"text": "a \\u00e4"}'
    assert client.request("POST", "/predict", content=odd, headers=head).status_code in (200, 422)
    fine = '{"text": "the \\"text\\" of a text"}'
    assert client.request("POST", "/predict", content=fine, headers=head).status_code == 200
