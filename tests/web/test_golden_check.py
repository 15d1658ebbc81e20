"""The golden check: golden samples through the app's own routes."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request

from tests.web.conftest import SAMPLES
from tidemill.domain.errors import UsageError
from tidemill.recipes.coffee import routes as coffee
from tidemill.recipes.routes import GoldenRequest, PredictionServer, Routes
from tidemill.web import errors, predict
from tidemill.web.app import create_app
from tidemill.web.golden_check import MAX_PARALLEL_REQUESTS


def turned(probabilities: dict[str, float]) -> dict[str, str]:
    names = list(probabilities)
    return dict(zip(names, names[1:] + names[:1], strict=True))


def fault(workspace: Any, start_app: Any, routes: Any = coffee.build, **bundle: Any) -> str:
    """Return the reason why a server over one such version is not ready."""
    workspace.promote(workspace.register(**bundle))
    client = start_app(workspace.parts(), routes)
    response = client.request("GET", "/v1/ready")
    assert response.status_code == 503
    assert client.request("GET", "/health").status_code in {404, 503}
    assert response.json()["error"]["code"] == "not_ready"
    message: str = response.json()["error"]["message"]
    return message


def test_golden_requests_are_logged_as_golden_and_not_counted(client: Any, workspace: Any) -> None:
    rows = list(workspace.traffic._predictions.values())
    assert [row.kind for row in rows] == ["golden"] * (1 + 3 * SAMPLES + 3)
    assert {row.payload for row in rows} == {b""}, "the bundle holds them"
    body = client.request("GET", f"/v1/predictions/{rows[0].id}").json()
    assert (body["kind"], body["example"]) == ("golden", "")
    numbers = client.request("GET", "/metrics").text
    assert 'kind="golden"' in numbers
    assert 'handler="/v1/predict"' not in numbers


def test_a_label_table_turned_round_in_our_builder(
    workspace: Any, start_app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = predict.answer_entries

    def wrong(predictions: Any) -> list[dict[str, Any]]:
        entries = true(predictions)
        for entry in entries:
            names = turned(entry["probabilities"])
            entry["label"] = names[entry["label"]]
            entry["probabilities"] = {names[n]: p for n, p in entry["probabilities"].items()}
        return entries

    monkeypatch.setattr(predict, "answer_entries", wrong)
    assert "POST /v1/predict" in fault(workspace, start_app)


def test_a_label_table_turned_round_in_the_recipes_builder(
    workspace: Any, start_app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = coffee.diagnosis

    def wrong(prediction: Any) -> coffee.Diagnosis:
        diagnosis = true(prediction)
        label = turned(diagnosis.probabilities)[diagnosis.prediction]
        confidence = diagnosis.probabilities[label]
        message = f"The leaf looks like {label} ({confidence:.1%})."
        lie = {"prediction": label, "confidence": confidence, "message": message}
        return diagnosis.model_copy(update=lie)

    monkeypatch.setattr(coffee, "diagnosis", wrong)
    assert "POST /predict (files) is wrong" in fault(workspace, start_app)


def test_probabilities_under_the_wrong_names_in_the_recipes_builder(
    workspace: Any, start_app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = coffee.diagnosis

    def wrong(prediction: Any) -> coffee.Diagnosis:
        diagnosis = true(prediction)
        one, other = set(diagnosis.probabilities) - {diagnosis.prediction}
        row = dict(diagnosis.probabilities)
        row[one], row[other] = row[other] + 0.1, row[one] - 0.1
        return diagnosis.model_copy(update={"probabilities": row})

    monkeypatch.setattr(coffee, "diagnosis", wrong)
    assert "POST /predict (files) is wrong" in fault(workspace, start_app)


@pytest.mark.parametrize(
    ("update", "fragment"),
    [
        (lambda d: {"message": d.message.replace(d.prediction, "Rust")}, "message does not name"),
        (lambda d: {"message": "The leaf looks ill."}, "the message does not name"),
        (lambda d: {"message": d.message.replace("(", "(1")}, "the message does not name"),
        (lambda d: {"confidence": min(d.probabilities.values())}, "is not the probability"),
        (lambda d: {"confidence": float("nan")}, "cannot be read"),
    ],
)
def test_values_that_a_response_repeats_must_agree(
    workspace: Any, start_app: Any, monkeypatch: pytest.MonkeyPatch, update: Any, fragment: str
) -> None:
    true = coffee.diagnosis

    def wrong(prediction: Any) -> coffee.Diagnosis:
        reply = true(prediction)
        return reply.model_copy(update=update(reply))

    monkeypatch.setattr(coffee, "diagnosis", wrong)
    message = fault(workspace, start_app)
    assert "POST /predict (files)" in message
    assert fragment in message


def test_a_proof_ends_with_its_first_fault(workspace: Any, start_app: Any) -> None:
    fault(workspace, start_app, labels=("Phoma", "Healthy", "Miner"))
    # One sample alone, all twice, one for each label, and a few on the recipe's route.
    assert MAX_PARALLEL_REQUESTS == 8
    logged = len(workspace.traffic._predictions)
    assert 1 <= logged <= 1 + 2 * SAMPLES + 3 + 4 < 1 + 4 * SAMPLES


def test_payloads_answered_in_another_order(
    workspace: Any, start_app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = predict.answer_entries
    monkeypatch.setattr(predict, "answer_entries", lambda predictions: true(predictions[::-1]))
    assert "POST /v1/predict" in fault(workspace, start_app)


def test_a_confidence_that_is_no_probability(
    workspace: Any, start_app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = predict.answer_entries
    monkeypatch.setattr(
        predict,
        "answer_entries",
        lambda inputs: [{**entry, "confidence": 1.0} for entry in true(inputs)],
    )
    assert "the confidence is not the probability" in fault(workspace, start_app)


def test_no_golden_samples(workspace: Any, start_app: Any) -> None:
    assert "no golden samples" in fault(workspace, start_app, samples=[])


def test_an_untrained_network(workspace: Any, start_app: Any) -> None:
    trained = workspace.register()
    samples = workspace.bundles.open(trained.bundle).golden
    message = fault(workspace, start_app, sharpness=0.01, samples=[s.to_json() for s in samples])
    assert "is off by" in message


def test_labels_saved_in_another_order_than_the_graph(workspace: Any, start_app: Any) -> None:
    message = fault(workspace, start_app, labels=("Phoma", "Healthy", "Miner"))
    assert "was answered where" in message


def test_a_golden_sample_that_cannot_be_read(workspace: Any, start_app: Any) -> None:
    sample = workspace.bundles.open(workspace.register().bundle).golden[0].to_json()
    broken = {**sample, "payload": base64.b64encode(b"no image").decode()}
    assert "with 400" in fault(workspace, start_app, samples=[sample, broken])


def test_a_golden_sample_of_another_target(workspace: Any, start_app: Any) -> None:
    sample = workspace.bundles.open(workspace.register().bundle).golden[0].to_json()
    message = fault(workspace, start_app, samples=[{**sample, "labels": {"plant": "Coffee"}}])
    assert "does not name every target" in message


def recipe(answer: Any, read: Any, *, probed: bool = True) -> Any:
    def build(server: PredictionServer) -> Routes:
        router = APIRouter()

        @router.post("/ask")
        async def ask(request: Request) -> Any:
            return answer((await server.predict(request, [await request.body()]))[0])

        probe = GoldenRequest(
            "/ask", build_request=lambda payload: {"content": payload}, read_answers=read
        )
        return Routes(router, (probe,) if probed else ())

    return build


@pytest.mark.parametrize(
    ("answer", "fragment"),
    [
        (lambda _: {}, "cannot be read: KeyError"),
        (lambda _: {"said": []}, "no answer for disease"),
        (lambda _: {"said": [["plant", "Coffee", {}]]}, "no answer for disease"),
        (lambda _: 1 / 0, "with 500"),
    ],
)
def test_a_recipe_whose_answers_are_no_answers(
    workspace: Any, start_app: Any, answer: Any, fragment: str
) -> None:
    assert fragment in fault(workspace, start_app, recipe(answer, lambda body: body["said"]))


def short(change: Any) -> Any:
    """A recipe that shows the label and its probability alone, after `change`."""
    return recipe(
        lambda one: change(one.answers[0].label, one.answers[0].confidence),
        lambda body: [("disease", body[0], body[1])],
    )


def test_a_route_that_shows_only_label_and_probability_is_checked(
    workspace: Any, start_app: Any, red: bytes
) -> None:
    workspace.promote(workspace.register())
    client = start_app(workspace.parts(), short(lambda label, sure: [label, sure]))
    assert client.request("POST", "/ask", content=red).json()[0] == "Miner"


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        (lambda label, sure: [{"Miner": "Phoma"}.get(label, label), sure], "'Phoma' was answered"),
        (lambda label, sure: ["Rust", sure], "'Rust' was answered"),
        (lambda label, sure: [label, sure - 0.01], "is off by"),
        (lambda label, sure: [label, 1 - sure], "is off by"),
        (lambda label, sure: [label, str(sure)], "TypeError"),
        (lambda label, _: [label, None], "TypeError"),
    ],
)
def test_a_label_and_a_probability_that_are_not_the_models(
    workspace: Any, start_app: Any, change: Any, fragment: str
) -> None:
    assert fragment in fault(workspace, start_app, short(change))


def test_a_route_without_golden_request_keeps_the_server_from_starting(workspace: Any) -> None:
    with pytest.raises(UsageError, match="POST /ask has no golden request"):
        create_app(workspace.parts(), recipe(None, None, probed=False))


def test_a_path_without_golden_request_gets_no_predictions(
    workspace: Any, start_app: Any, red: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Other methods, parameters, nested routers and mounts do not evade the golden check."""

    def build(server: PredictionServer) -> Routes:
        router, nested, inner = APIRouter(), APIRouter(), FastAPI()
        errors.install_handlers(inner)

        async def ask(request: Request) -> list[str]:
            return [one.answers[0].label for one in await server.predict(request, [red])]

        for path in ("/get", "/name/{name}", "/ask"):
            router.get(path)(ask)
        router.put("/put")(ask)
        nested.post("/ask")(ask)
        router.include_router(nested, prefix="/nested")
        inner.post("/ask")(ask)
        router.mount("/inner", inner)
        return Routes(router)

    workspace.promote(workspace.register())
    client = start_app(workspace.parts(), build)
    before = len(workspace.traffic._predictions)
    ways = ("GET /get", "GET /name/rust", "PUT /put", "POST /nested/ask", "POST /inner/ask")
    for way in (*ways, "GET /ask"):
        response = client.request(*way.split())
        assert response.status_code == 500, way
        assert f"{way} has no golden request" in response.json()["error"]["message"]
        assert f"{way} has no golden request" in caplog.text
    assert len(workspace.traffic._predictions) == before, "nothing was answered"


def test_a_route_of_any_method_answers_with_a_golden_request(
    workspace: Any, start_app: Any, red: bytes
) -> None:
    def build(server: PredictionServer) -> Routes:
        router = APIRouter()

        @router.get("/ask/{form}")
        async def ask(request: Request) -> Any:
            [one] = await server.predict(request, [bytes.fromhex(request.query_params["q"])])
            return [[a.target, a.label, dict(a.probabilities)] for a in one.answers]

        def asks(payload: bytes) -> dict[str, Any]:
            return {"params": {"q": payload.hex()}}

        return Routes(router, (GoldenRequest("/ask/short", asks, lambda body: body, method="GET"),))

    workspace.promote(workspace.register())
    client = start_app(workspace.parts(), build)
    params = {"params": {"q": red.hex()}}
    assert client.request("GET", "/ask/short", **params).json()[0][1] == "Miner"
    assert client.request("GET", "/ask/long", **params).status_code == 500


def test_a_recipe_cannot_take_the_servers_paths(workspace: Any) -> None:
    def build(_: PredictionServer) -> Routes:
        router = APIRouter()
        router.get("/v1/ready")(lambda: {"ready": True})
        return Routes(router)

    with pytest.raises(UsageError, match="/v1/ready belongs to the server"):
        create_app(workspace.parts(), build)
