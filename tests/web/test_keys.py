"""Keys over HTTP: who may do what, for how long, and how often."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Request, Response
from uuid_utils import uuid7

from tidemill.domain.api_key import ApiKey, KeyScope, digest_of, new_secret
from tidemill.domain.errors import RateLimited, Unauthorised, UsageError
from tidemill.domain.events import KeyCreated, KeyRevoked
from tidemill.recipes.coffee.routes import build as coffee
from tidemill.recipes.routes import Routes, Server
from tidemill.settings import read_settings
from tidemill.web.app import create_app
from tidemill.web.exposure import public_scopes
from tidemill.web.keyring import POLL_S, Keyring

EVERY = "0.0.0.0"  # noqa: S104  nothing is bound
Start = Callable[..., Any]


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def basic(secret: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'x:{secret}'.encode()).decode()}"}


def create_key(
    workspace: Any, *scopes: KeyScope, name: str = "ana", rate: int = 0, days: float | None = None
) -> tuple[ApiKey, str]:
    """A key in the ledger, and its secret."""
    secret, now = new_secret(), workspace.clock.now()
    expires = None if days is None else now + timedelta(days=days)
    key = ApiKey(str(uuid7()), name, digest_of(secret), scopes, now, rate, expires)
    event = KeyCreated(actor="eve", subject=key.id, name=name, scopes=",".join(scopes), rate=rate)
    with workspace.ledger.begin() as unit:
        unit.add(key, event)
    return key, secret


def revoke_key(workspace: Any, key: ApiKey) -> None:
    with workspace.ledger.begin() as unit:
        event = KeyRevoked(actor="eve", subject=key.id, name=key.name)
        unit.revoke_key(replace(key, revoked_at=workspace.clock.now()), event)


@pytest.fixture
def polled() -> threading.Event:
    return threading.Event()


@pytest.fixture
def serve(workspace: Any, start_app: Start) -> Start:
    """`serve(**settings)` runs the app with a champion and these settings."""
    workspace.promote(workspace.register())

    def start(**settings: object) -> Any:
        return start_app(workspace.parts(**settings))

    return start


def ask(client: Any, red: bytes, path: str, headers: dict[str, str]) -> httpx.Response:
    """Predict, explain, give a label, or read."""
    if path == "/v1/feedback":
        payload = {"image": base64.b64encode(red).decode()}
        body = {"payload": payload, "label": "Phoma"}
        response = client.request("POST", path, json=body, headers=headers)
    elif path in ("/v1/predict", "/predict", "/v1/explain"):
        response = client.request("POST", path, files={"file": red}, headers=headers)
    else:
        response = client.request("GET", path, headers=headers)
    assert isinstance(response, httpx.Response)
    return response


PREDICTING = ("/v1/predict", "/predict", "/v1/explain")
READING = ("/v1/models", "/v1/events", "/v1/feedback?limit=1", "/metrics", "/docs", "/openapi.json")


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        (("predict",), {*PREDICTING}),
        (("feedback",), {"/v1/feedback"}),
        (("review",), set()),
        (("admin",), {*PREDICTING, "/v1/feedback"}),
        (("predict", "feedback"), {*PREDICTING, "/v1/feedback"}),
    ],
)
def test_a_key_may_do_what_its_scopes_say(
    serve: Start, workspace: Any, red: bytes, scopes: tuple[KeyScope, ...], allowed: set[str]
) -> None:
    _, secret = create_key(workspace, *scopes)
    client = serve(public_scopes="")
    for path in (*PREDICTING, "/v1/feedback", *READING):
        for headers in (bearer(secret), basic(secret)):
            response = ask(client, red, path, headers)
            good = path in allowed or path in READING
            assert response.status_code == (200 if good else 403), path
            if not good:
                error = response.json()["error"]
                assert (error["code"], "ana" in error["message"]) == ("forbidden", True)


def test_without_public_scopes_only_the_probes_answer_everybody(
    serve: Start, workspace: Any, red: bytes
) -> None:
    client = serve(public_scopes="")
    for path in (*PREDICTING, "/v1/feedback", *READING, "/nowhere"):
        response = ask(client, red, path, {})
        assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthorised")
        challenges = response.headers.get_list("www-authenticate")
        assert [value.split()[0] for value in challenges] == ["Bearer", "Basic"]
    for path in ("/v1/live", "/v1/ready", "/health"):
        assert ask(client, red, path, {}).status_code == 200
    with workspace.ledger.begin(write=False) as unit:
        assert unit.feedback(limit=None) == []


def test_public_scopes_are_those_of_the_setting(serve: Start, red: bytes) -> None:
    client = serve(public_scopes="predict")
    assert ask(client, red, "/predict", {}).status_code == 200
    assert ask(client, red, "/v1/feedback", {}).status_code == 401
    assert ask(client, red, "/v1/models", {}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        bearer("tidemill_wrong"),
        bearer(""),
        bearer("x" * 5000),
        basic("tidemill_wrong"),
        {"Authorization": "Basic %%%"},
        {"Authorization": b"Basic \xff\xff"},
        {"Authorization": "Digest x"},
        {"Authorization": ""},
    ],
)
def test_a_wrong_key_is_refused_where_no_key_would_pass(
    serve: Start, red: bytes, headers: dict[str, Any]
) -> None:
    response = ask(serve(), red, "/predict", headers)
    assert response.status_code == 401
    assert "x" * 100 not in response.text


def test_a_revoked_and_an_expired_key_are_refused(serve: Start, workspace: Any, red: bytes) -> None:
    (lost, first), (_, second) = (create_key(workspace, "predict", days=days) for days in (None, 1))
    client = serve()
    assert ask(client, red, "/predict", bearer(first)).status_code == 200
    assert ask(client, red, "/predict", bearer(second)).status_code == 200
    revoke_key(workspace, lost)
    client.app.state.keyring.refresh()
    workspace.clock.advance(timedelta(days=1))
    assert ask(client, red, "/predict", bearer(first)).status_code == 401
    assert ask(client, red, "/predict", bearer(second)).status_code == 401


def test_the_keys_are_read_again_within_a_second(workspace: Any, polled: threading.Event) -> None:
    assert POLL_S <= 0.5, "a revocation holds within a second"
    keyring = Keyring(workspace.ledger, workspace.clock, on_poll=polled.set)
    keyring.start()
    try:
        _, secret = create_key(workspace, "predict")
        for _ in range(2):  # the first may have begun before the key was there
            polled.clear()
            assert polled.wait(30)
        assert keyring.find(bearer(secret)["Authorization"].encode()).name == "ana"
    finally:
        keyring.close()


def test_keys_that_cannot_be_read_again_go_on(workspace: Any, polled: threading.Event) -> None:
    _, secret = create_key(workspace, "predict")
    keyring = Keyring(workspace.ledger, workspace.clock)
    keyring.refresh()
    reads = []

    class Broken:
        def begin(self, *, write: bool = True) -> Any:
            reads.append(write)
            if len(reads) > 2:
                polled.set()
            raise OSError("the disk is gone")

    keyring.ledger = Broken()  # type: ignore[assignment]
    with pytest.raises(OSError, match="gone"):
        keyring.refresh()
    keyring.ledger = workspace.ledger
    keyring.start()
    keyring.ledger = Broken()  # type: ignore[assignment]
    try:
        assert polled.wait(30)
        assert keyring.find(f"Bearer {secret}".encode()).name == "ana"
    finally:
        keyring.close()


def test_a_rate_is_a_bucket_that_fills_again(workspace: Any) -> None:
    key, secret = create_key(workspace, "predict", rate=6)
    keyring = Keyring(workspace.ledger, workspace.clock)
    keyring.refresh()
    header = f"Bearer {secret}".encode()
    for _ in range(6):
        keyring.find(header)
    with pytest.raises(RateLimited) as caught:
        keyring.find(header)
    assert caught.value.wait_s == 11  # a token takes ten seconds
    workspace.clock.advance(timedelta(seconds=10))
    keyring.refresh()  # keeps the bucket
    keyring.find(header)
    with pytest.raises(RateLimited):
        keyring.find(header)
    workspace.clock.advance(timedelta(hours=1))
    for _ in range(6):
        keyring.find(header)
    with pytest.raises(RateLimited):
        keyring.find(header)
    workspace.clock.advance(timedelta(hours=-1))
    with pytest.raises(RateLimited):
        keyring.find(header)
    revoke_key(workspace, key)
    keyring.refresh()
    with pytest.raises(Unauthorised):
        keyring.find(header)
    assert keyring._buckets == {}


def test_too_many_requests_are_told_when_to_come_back(
    serve: Start, workspace: Any, red: bytes
) -> None:
    _, secret = create_key(workspace, "predict", rate=1)
    client = serve()
    assert ask(client, red, "/predict", bearer(secret)).status_code == 200
    response = ask(client, red, "/predict", bearer(secret))
    assert (response.status_code, response.json()["error"]["code"]) == (429, "rate_limited")
    assert response.headers["retry-after"] == "61"
    assert ask(client, red, "/predict", {}).status_code == 200


def test_the_actor_of_feedback_is_the_name_of_the_key(
    serve: Start, workspace: Any, red: bytes
) -> None:
    _, secret = create_key(workspace, "feedback")
    _, reviewer = create_key(workspace, "review", name="rita")
    client = serve()
    payload = {"image": base64.b64encode(red).decode()}
    for label, headers in (("Phoma", bearer(secret)), ("Miner", {}), ("Healthy", bearer(secret))):
        body = {"payload": payload, "label": label, "actor": "bob"}
        assert client.request("POST", "/v1/feedback", json=body, headers=headers).status_code == 200
    with workspace.ledger.begin(write=False) as unit:
        rows = unit.feedback(limit=None)
    assert [(row.actor, row.claimed_actor, row.client, row.status) for row in rows] == [
        ("ana", "bob", "", "superseded"),
        ("anonymous", "bob", "127.0.0.1", "pending"),
        ("ana", "bob", "", "pending"),
    ]
    for headers, addresses in (({}, {""}), (bearer(reviewer), {"", "127.0.0.1"})):
        shown = client.request("GET", "/v1/feedback", headers=headers).json()["feedback"]
        assert {row["client"] for row in shown} == addresses


def label_recipe(server: Server) -> Routes:
    """A route of a recipe that records a label, and one that reads the ledger at once."""
    router = APIRouter()

    @router.post("/tell")
    async def tell(request: Request) -> Response:
        await server.record_feedback(request, await request.body(), {"disease": "Phoma"})
        return Response()

    @router.post("/refresh")
    def refresh(request: Request) -> str:
        return server.refresh(request)

    return Routes(router, silent_paths=("/tell", "/refresh"))


def test_a_recipe_s_own_routes_need_the_scope(workspace: Any, start_app: Start, red: bytes) -> None:
    workspace.promote(workspace.register())
    secrets = {scope: create_key(workspace, scope)[1] for scope in ("predict", "feedback", "admin")}
    client = start_app(workspace.parts(public_scopes="", refresh_token="let me"), label_recipe)

    def statuses(path: str) -> dict[str, int]:
        return {
            scope: client.request("POST", path, content=red, headers=bearer(secret)).status_code
            for scope, secret in {**secrets, "token": "let me"}.items()
        }

    assert statuses("/tell") == {"predict": 403, "feedback": 200, "admin": 200, "token": 401}
    assert statuses("/refresh") == {"predict": 401, "feedback": 401, "admin": 200, "token": 200}
    assert client.request("POST", "/tell", content=red).status_code == 401


@pytest.mark.parametrize(
    ("settings", "scopes"),
    [
        ({}, {"predict", "feedback"}),
        ({"public_scopes": "predict"}, {"predict"}),
        ({"public_scopes": ""}, set()),
        ({"host": EVERY}, set()),
        ({"host": EVERY, "allow_anonymous": True}, {"predict", "feedback"}),
        ({"host": EVERY, "public_scopes": "predict"}, {"predict"}),
    ],
)
def test_beyond_the_loopback_address_nobody_may_do_anything_without_a_key(
    settings: dict[str, object], scopes: set[str]
) -> None:
    assert public_scopes(read_settings(**settings)) == scopes


def test_a_server_that_others_reach_needs_a_key(workspace: Any) -> None:
    def refused(**settings: object) -> str:
        with pytest.raises(UsageError) as caught:
            create_app(workspace.parts(host=EVERY, **settings), coffee)
        return caught.value.hint

    for hint in (refused(), refused(public_scopes="predict")):
        assert "tidemill keys create" in hint
        assert "--allow-anonymous" in hint
    create_app(workspace.parts(host=EVERY, allow_anonymous=True), coffee)
    key, _ = create_key(workspace, "predict", days=1)
    create_app(workspace.parts(host=EVERY), coffee)
    workspace.clock.advance(timedelta(days=1))
    refused()
    revoke_key(workspace, key)
    refused()


@pytest.mark.parametrize("scopes", ["admin", "review", "predict,root"])
def test_reviewing_and_administering_need_a_name(scopes: Sequence[str]) -> None:
    with pytest.raises(UsageError, match="TIDEMILL_PUBLIC_SCOPES"):
        read_settings(public_scopes=scopes)
