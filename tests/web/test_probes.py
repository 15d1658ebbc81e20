"""The proof: golden samples through the app's own paths, each of which must be right."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request

from tidemill.domain.errors import UsageError
from tidemill.recipes.coffee import routes as coffee
from tidemill.recipes.routes import Answering, Probe, Routes
from tidemill.web import predict
from tidemill.web.app import create_app


def turned(probabilities: dict[str, float]) -> dict[str, str]:
    names = list(probabilities)
    return dict(zip(names, names[1:] + names[:1], strict=True))


def fault(workspace: Any, opened: Any, routes: Any = coffee.build, **bundle: Any) -> str:
    """Why a server over one such version is not ready."""
    workspace.promote(workspace.register(**bundle))
    door = opened(workspace.serving(), routes)
    response = door.ask("GET", "/v1/ready")
    assert response.status_code == 503
    assert door.ask("GET", "/health").status_code in {404, 503}
    assert response.json()["error"]["code"] == "not_ready"
    message: str = response.json()["error"]["message"]
    return message


def test_probes_are_logged_as_probes_and_are_no_requests(door: Any, workspace: Any) -> None:
    kinds = [kept.kind for kept in workspace.traffic._kept.values()]
    assert kinds == ["probe"] * (1 + 16 + 16 + 16)
    numbers = door.ask("GET", "/metrics").text
    assert 'kind="probe"' in numbers
    assert 'handler="/v1/predict"' not in numbers


def test_a_label_table_turned_round_in_our_builder(
    workspace: Any, opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = predict.entries

    def wrong(predictions: Any) -> list[dict[str, Any]]:
        told = true(predictions)
        for entry in told:
            names = turned(entry["probabilities"])
            entry["label"] = names[entry["label"]]
            entry["probabilities"] = {names[n]: p for n, p in entry["probabilities"].items()}
        return told

    monkeypatch.setattr(predict, "entries", wrong)
    assert "POST /v1/predict" in fault(workspace, opened)


def test_a_label_table_turned_round_in_the_recipes_builder(
    workspace: Any, opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = coffee.diagnosis

    def wrong(prediction: Any) -> coffee.Diagnosis:
        told = true(prediction)
        return told.model_copy(update={"prediction": turned(told.probabilities)[told.prediction]})

    monkeypatch.setattr(coffee, "diagnosis", wrong)
    assert "POST /predict (files) is wrong" in fault(workspace, opened)


def test_probabilities_under_the_wrong_names_in_the_recipes_builder(
    workspace: Any, opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = coffee.diagnosis

    def wrong(prediction: Any) -> coffee.Diagnosis:
        told = true(prediction)
        names = list(told.probabilities)
        values = sorted(told.probabilities.values())
        return told.model_copy(update={"probabilities": dict(zip(names, values, strict=True))})

    monkeypatch.setattr(coffee, "diagnosis", wrong)
    assert "POST /predict (files) is wrong" in fault(workspace, opened)


def test_payloads_answered_in_another_order(
    workspace: Any, opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = predict.entries
    monkeypatch.setattr(predict, "entries", lambda predictions: true(predictions[::-1]))
    assert "POST /v1/predict" in fault(workspace, opened)


def test_a_confidence_that_is_no_probability(
    workspace: Any, opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = predict.entries
    monkeypatch.setattr(
        predict, "entries", lambda given: [{**entry, "confidence": 1.0} for entry in true(given)]
    )
    assert "the confidence is not the probability" in fault(workspace, opened)


def test_no_golden_samples(workspace: Any, opened: Any) -> None:
    assert "no golden samples" in fault(workspace, opened, samples=[])


def test_an_untrained_network(workspace: Any, opened: Any) -> None:
    trained = workspace.register()
    samples = workspace.bundles.open(trained.bundle).golden
    told = fault(workspace, opened, sharpness=0.01, samples=[s.to_json() for s in samples])
    assert "is off by" in told


def test_labels_saved_in_another_order_than_the_graph(workspace: Any, opened: Any) -> None:
    told = fault(workspace, opened, labels=("Phoma", "Healthy", "Miner"))
    assert "was answered where" in told


def test_a_golden_sample_that_cannot_be_read(workspace: Any, opened: Any) -> None:
    sample = workspace.bundles.open(workspace.register().bundle).golden[0].to_json()
    broken = {**sample, "payload": base64.b64encode(b"no picture").decode()}
    assert "with 400" in fault(workspace, opened, samples=[sample, broken])


def test_a_golden_sample_of_another_target(workspace: Any, opened: Any) -> None:
    sample = workspace.bundles.open(workspace.register().bundle).golden[0].to_json()
    told = fault(workspace, opened, samples=[{**sample, "labels": {"plant": "Coffee"}}])
    assert "does not name every target" in told


def recipe(answer: Any, read: Any, *, probed: bool = True) -> Any:
    def build(answering: Answering) -> Routes:
        router = APIRouter()

        @router.post("/ask")
        async def ask(request: Request) -> Any:
            return answer((await answering.answer(request, [await request.body()]))[0])

        probe = Probe("/ask", request=lambda payload: {"content": payload}, read=read)
        return Routes(router, (probe,) if probed else ())

    return build


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda _: {}, "cannot be read: KeyError"),
        (lambda _: {"said": []}, "no answer for disease"),
        (lambda _: {"said": [["plant", "Coffee", {}]]}, "no answer for disease"),
        (lambda _: 1 / 0, "with 500"),
    ],
)
def test_a_recipe_whose_answers_are_no_answers(
    workspace: Any, opened: Any, answer: Any, told: str
) -> None:
    assert told in fault(workspace, opened, recipe(answer, lambda body: body["said"]))


def test_a_route_without_a_probe_keeps_the_server_from_starting(workspace: Any) -> None:
    with pytest.raises(UsageError, match="No probe asks POST /ask"):
        create_app(workspace.serving(), recipe(None, None, probed=False))


def test_a_router_that_cannot_be_looked_into_keeps_the_server_from_starting(
    workspace: Any,
) -> None:
    def build(_: Answering) -> Routes:
        router = APIRouter()
        router.mount("/inner", FastAPI())
        return Routes(router)

    with pytest.raises(UsageError, match="any method /inner"):
        create_app(workspace.serving(), build)


def test_a_recipe_cannot_take_the_servers_paths(workspace: Any) -> None:
    def build(_: Answering) -> Routes:
        router = APIRouter()
        router.get("/v1/ready")(lambda: {"ready": True})
        return Routes(router)

    with pytest.raises(UsageError, match="/v1/ready belongs to the server"):
        create_app(workspace.serving(), build)
