"""What a recipe's routes may use of the server besides predictions, and what they may not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from fastapi import APIRouter, Request
from prometheus_client import Counter

from tests.web.conftest import SAMPLES
from tidemill.domain.drift import DriftVerdict, FeatureDrift, Profile
from tidemill.domain.errors import UsageError
from tidemill.domain.events import DriftChecked
from tidemill.domain.types import ModelVersion, Prediction
from tidemill.recipes.routes import GoldenRequest, Routes, Server
from tidemill.web.app import create_app

SERVER = "01a1fb4a-0e21-7c53-9c5f-0d3e3f2b7a11"


def feedback_recipe(
    labels: Mapping[str, str], *, actor: str | None = None, probed: bool = False
) -> Any:
    """A recipe whose `POST /tell` records feedback on its body."""

    def build(server: Server) -> Routes:
        router = APIRouter()

        @router.post("/tell")
        async def tell(request: Request) -> list[str]:
            options = {} if actor is None else {"actor": actor}
            feedback_records = await server.record_feedback(
                request, await request.body(), labels, **options
            )
            return [item.id for item in feedback_records]

        probe = GoldenRequest("/tell", lambda payload: {"content": payload}, lambda body: body)
        return Routes(router, (probe,) if probed else (), () if probed else ("/tell",))

    return build


def feedback_records(workspace: Any) -> list[Any]:
    with workspace.ledger.begin(write=False) as unit:
        return list(unit.feedback(limit=None))


def ready(workspace: Any, start_app: Any, routes: Any) -> Any:
    workspace.promote(workspace.register())
    return start_app(workspace.parts(), routes)


def test_feedback_of_a_recipe_is_that_of_the_server(
    workspace: Any, start_app: Any, red: bytes
) -> None:
    client = ready(workspace, start_app, feedback_recipe({"disease": "Phoma"}, actor="ana"))
    [id] = client.request("POST", "/tell", content=red).json()
    [item] = feedback_records(workspace)
    assert (item.id, item.target, item.label) == (id, "disease", "Phoma")
    assert (item.actor, item.claimed_actor, item.client) == ("anonymous", "ana", "127.0.0.1")
    assert (item.status, item.prediction, item.predicted_label) == ("pending", "", "")
    assert workspace.blobs.get(item.example) == red
    assert client.request("POST", "/tell", content=red).json() == [id], "the same again is no news"
    assert len(feedback_records(workspace)) == 1


def test_feedback_without_a_name_is_a_strangers(workspace: Any, start_app: Any, red: bytes) -> None:
    client = ready(workspace, start_app, feedback_recipe({"disease": "Phoma"}))
    assert client.request("POST", "/tell", content=red).status_code == 200
    assert [item.actor for item in feedback_records(workspace)] == ["anonymous"]


@pytest.mark.parametrize(
    ("labels", "status", "code"),
    [
        ({"disease": "Rust"}, 422, "foreign_label"),
        ({"plant": "Phoma"}, 422, "foreign_label"),
        ({"disease": "Phoma", "plant": "Coffee"}, 422, "foreign_label"),
        ({}, 422, "invalid"),
    ],
)
def test_feedback_that_makes_no_sense_is_refused_as_a_whole(
    workspace: Any, start_app: Any, red: bytes, labels: dict[str, str], status: int, code: str
) -> None:
    client = ready(workspace, start_app, feedback_recipe(labels))
    response = client.request("POST", "/tell", content=red)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert feedback_records(workspace) == []


def test_an_unreadable_payload_records_no_feedback(workspace: Any, start_app: Any) -> None:
    client = ready(workspace, start_app, feedback_recipe({"disease": "Phoma"}))
    response = client.request("POST", "/tell", content=b"no image")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_payload")
    assert feedback_records(workspace) == []


def test_without_a_model_feedback_is_refused(workspace: Any, start_app: Any, red: bytes) -> None:
    client = start_app(workspace.parts(), feedback_recipe({"disease": "Phoma"}))
    assert client.request("POST", "/tell", content=red).json()["error"]["code"] == "not_ready"


def test_a_golden_request_never_records_feedback(workspace: Any, start_app: Any) -> None:
    client = ready(workspace, start_app, feedback_recipe({"disease": "Phoma"}, probed=True))
    message = client.request("GET", "/v1/ready").json()["error"]["message"]
    assert "/tell records feedback, so it cannot have a golden request" in message
    assert feedback_records(workspace) == []


def test_a_silent_route_gets_no_predictions(workspace: Any, start_app: Any, red: bytes) -> None:
    def build(server: Server) -> Routes:
        router = APIRouter()

        @router.post("/tell")
        async def tell(request: Request) -> str:
            [one] = await server.predict(request, [await request.body()])
            return one.answers[0].label

        return Routes(router, silent_paths=("/tell",))

    client = ready(workspace, start_app, build)
    before = len(workspace.traffic._predictions)
    response = client.request("POST", "/tell", content=red)
    assert response.status_code == 500
    assert "POST /tell has no golden request" in response.json()["error"]["message"]
    assert len(workspace.traffic._predictions) == before


@pytest.mark.parametrize("silent", [("/tell", "/other"), ("/tell", "/get")])
def test_only_a_post_route_can_be_silent(workspace: Any, silent: tuple[str, ...]) -> None:
    def build(server: Server) -> Routes:
        routes = feedback_recipe({})(server)
        routes.router.get("/get")(lambda: 1)
        return Routes(routes.router, silent_paths=silent)

    with pytest.raises(UsageError, match=f"{silent[1]} cannot be silent"):
        create_app(workspace.parts(), build)


def test_a_route_with_a_golden_request_is_not_silent(workspace: Any) -> None:
    def build(server: Server) -> Routes:
        routes = feedback_recipe({}, probed=True)(server)
        return Routes(routes.router, routes.golden_requests, silent_paths=("/tell",))

    with pytest.raises(UsageError, match="/tell cannot be silent"):
        create_app(workspace.parts(), build)


def counting(name: str) -> Any:
    def build(_: Server) -> Routes:
        router = APIRouter()
        counter = Counter(name, "Asked.", registry=None)
        router.get("/count")(counter.inc)
        return Routes(router, collectors=(counter,))

    return build


def test_numbers_of_a_recipe_are_shown_under_their_own_names(
    workspace: Any, start_app: Any
) -> None:
    first, second = (start_app(workspace.parts(), counting("asked")) for _ in range(2))
    assert first.request("GET", "/count").status_code == 200
    assert "\nasked_total 1.0\n" in first.request("GET", "/metrics").text
    assert "\nasked_total 0.0\n" in second.request("GET", "/metrics").text, "each app has its own"


@pytest.mark.parametrize("name", ["http_requests", "tidemill_queue_payloads"])
def test_numbers_of_the_server_cannot_be_taken(workspace: Any, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be added"):
        create_app(workspace.parts(), counting(name))


def watching(limit: int = 10) -> Any:
    """A recipe whose `GET /drift` shows the whole drift state."""

    def build(server: Server) -> Routes:
        router = APIRouter()
        router.get("/drift")(lambda: server.drift_state(limit=limit))
        return Routes(router)

    return build


def drain_predictions(workspace: Any, version: str, labels: list[int], *, since: int = 0) -> None:
    """Drain predictions with these label indexes into the ledger."""
    with workspace.ledger.begin(write=False) as unit:
        reference = workspace.load(unit.get(ModelVersion, version)).bundle.reference
    at = workspace.clock.now()
    counts = [0] * sum(reference.sizes)
    place = 0
    for name, size in zip(reference.names, reference.sizes, strict=True):
        for label in labels:
            counts[place + (label if name.startswith("prediction.") else 0)] += 1
        place += size
    rows = [
        Prediction(f"p{since + k}", SERVER, since + k, version, at, "live", b"", ())
        for k in range(1, len(labels) + 1)
    ]
    with workspace.ledger.begin() as unit:
        profile = Profile(version, "live", at, len(labels), tuple(counts))
        unit.drain(SERVER, rows, [profile], since=since)


def test_the_drift_state_is_that_of_the_ledger(workspace: Any, start_app: Any) -> None:
    client = ready(workspace, start_app, watching())
    at = workspace.clock.now()
    nothing = {"Miner": 0, "Healthy": 0, "Phoma": 0}
    assert client.request("GET", "/drift").json() == {
        "version": "v1",
        "prediction_count": 0,
        "unjudged_count": 0,
        "minimum": None,
        "label_counts": {"disease": nothing},
        "verdicts": [],
    }
    drain_predictions(workspace, "v1", [0, 0, 2])
    features = (FeatureDrift("red", 0.4, 0.2, 0.001, True),)
    with workspace.ledger.begin() as unit:
        event = DriftChecked(actor="engine", subject="d1", version="v1", drifted=True)
        unit.record_drift_verdict(
            DriftVerdict("d1", "v1", True, 3, 100, at, at, features, at, 0.2), event
        )
    drain_predictions(workspace, "v1", [1, 0], since=3)
    state = client.request("GET", "/drift").json()
    assert (state["prediction_count"], state["unjudged_count"]) == (5, 2)
    assert state["label_counts"] == {"disease": {"Miner": 1, "Healthy": 1, "Phoma": 0}}
    assert [row["id"] for row in state["verdicts"]] == ["d1"]


@pytest.mark.parametrize(("tree", "needed"), [({"minimum": 50}, 50), ({"minimum": "x"}, None)])
def test_the_experiment_decides_the_minimum(
    workspace: Any, start_app: Any, tree: dict[str, Any], needed: int | None
) -> None:
    workspace.promote(workspace.register(config={"drift": tree}))
    client = start_app(workspace.parts(), watching())
    assert client.request("GET", "/drift").json()["minimum"] == needed


def test_without_a_champion_there_is_no_drift(workspace: Any, start_app: Any) -> None:
    client = start_app(workspace.parts(), watching())
    response = client.request("GET", "/drift")
    assert (response.status_code, response.json()["error"]["code"]) == (503, "not_ready")


def test_drift_of_a_champion_that_is_not_served_yet(workspace: Any, start_app: Any) -> None:
    client = ready(workspace, start_app, watching())
    workspace.promote(workspace.register())
    response = client.request("GET", "/drift")
    assert response.status_code == 503
    assert "does not serve v2 yet" in response.json()["error"]["message"]
    client.slots.refresh()
    assert client.request("GET", "/drift").json()["version"] == "v2"


@pytest.mark.parametrize("token", ["", " "])
@pytest.mark.parametrize("brought", ["Bearer", "Bearer ", "Bearer  ", "bearer"])
def test_a_blank_token_opens_nothing(
    workspace: Any, start_app: Any, monkeypatch: pytest.MonkeyPatch, token: str, brought: str
) -> None:
    def build(server: Server) -> Routes:
        router = APIRouter()
        router.post("/refresh")(refreshing(server))
        return Routes(router, silent_paths=("/refresh",))

    monkeypatch.setenv("TIDEMILL_REFRESH_TOKEN", token)
    client = ready(workspace, start_app, build)
    assert client.request("POST", "/refresh").json()["error"]["code"] == "forbidden"
    response = client.request("POST", "/refresh", headers={"Authorization": brought})
    assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthorised")
    monkeypatch.setenv("TIDEMILL_REFRESH_TOKEN", "much-told")
    client = start_app(workspace.parts(), build)
    response = client.request("POST", "/refresh", headers={"Authorization": brought})
    assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthorised")


def refreshing(server: Server) -> Any:
    def refresh(request: Request) -> str:
        return server.refresh(request)

    return refresh


def test_only_the_golden_check_sends_golden_requests(
    workspace: Any, start_app: Any, red: bytes
) -> None:
    golden_flags: list[bool] = []

    def build(server: Server) -> Routes:
        router = APIRouter()

        @router.post("/ask")
        async def ask(request: Request) -> Any:
            golden_flags.append(server.is_golden_request(request))
            [one] = await server.predict(request, [await request.body()])
            return [[a.target, a.label, a.confidence] for a in one.answers]

        probe = GoldenRequest("/ask", lambda payload: {"content": payload}, lambda body: body)
        return Routes(router, (probe,))

    client = ready(workspace, start_app, build)
    assert golden_flags == [True] * SAMPLES
    client.request("POST", "/ask", content=red, headers={"tidemill-asked": "golden"})
    assert golden_flags[SAMPLES:] == [False]
