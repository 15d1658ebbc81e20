"""Promotion, rollback, review and import over HTTP: who may, and what the ledger then says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from uuid_utils import uuid7

from tests.web.test_keys import bearer, create_key
from tidemill.domain.events import VerdictRecorded
from tidemill.domain.feedback import Feedback
from tidemill.domain.types import Check, Verdict
from tidemill.loop.feedback import give
from tidemill.web.admin_routes import ADMIN_SCOPES

BODIES: dict[str, dict[str, Any]] = {
    "/v1/models/promote": {"version": "v2", "reason": "more leaves"},
    "/v1/models/rollback": {"reason": "complaints"},
    "/v1/feedback/accept": {"ids": ["f1"], "reason": "seen"},
    "/v1/feedback/reject": {"ids": ["f1"], "reason": "blurred"},
    "/v1/feedback/import": {},
}


def judge(workspace: Any, version: str, champion: str | None, *, passed: bool = True) -> str:
    """A recorded verdict on a version; returns its id."""
    checks = (Check("floor", passed, "so it is", 0.5),)
    verdict = Verdict(str(uuid7()), version, champion, passed, checks, 1, workspace.clock.now())
    with workspace.ledger.begin() as unit:
        event = VerdictRecorded(actor="test", subject=verdict.id, version=version, passed=passed)
        unit.add(verdict, event)
    return verdict.id


def give_label(workspace: Any, id: str = "f1") -> None:
    at = workspace.clock.now()
    with workspace.ledger.begin() as unit:
        give(unit, Feedback(id, "", id * 8, "disease", "", "Phoma", "", "ana", at))


def champion(workspace: Any) -> str:
    with workspace.ledger.begin(write=False) as unit:
        return str(unit.alias("champion").version)


class Admin:
    """A client with a key, or with none."""

    def __init__(self, client: Any, headers: dict[str, str]) -> None:
        self._client = client
        self._headers = headers

    def post(self, path: str, **body: Any) -> httpx.Response:
        response = self._client.request("POST", path, json=body, headers=self._headers)
        assert isinstance(response, httpx.Response)
        return response


@pytest.fixture
def admin(client: Any, workspace: Any) -> Admin:
    _, secret = create_key(workspace, "admin", name="rita")
    client.app.state.keyring.refresh()
    return Admin(client, bearer(secret))


def test_nobody_else_may(client: Any, workspace: Any) -> None:
    """Not without a key, whatever is public, and not with a key of another scope."""
    workspace.register(sharpness=2.0)
    judge(workspace, "v2", "v1")
    give_label(workspace)
    secrets = {
        scope: create_key(workspace, scope)[1] for scope in ("predict", "feedback", "review")
    }
    client.app.state.keyring.refresh()
    assert set(ADMIN_SCOPES) == set(BODIES)
    for path, body in BODIES.items():
        assert Admin(client, {}).post(path, **body).status_code == 401, path
        # Before anything reads the body.
        response = client.request("POST", path, content=b"{")
        assert response.status_code == 401
        for scope, secret in secrets.items():
            if scope != ADMIN_SCOPES[path]:
                assert Admin(client, bearer(secret)).post(path, **body).status_code == 403, path
    assert champion(workspace) == "v1"
    with workspace.ledger.begin(write=False) as unit:
        assert [row.status for row in unit.feedback()] == ["pending"]


def test_a_judged_version_is_promoted_and_taken_back(admin: Admin, workspace: Any) -> None:
    workspace.register(sharpness=2.0)
    verdict = judge(workspace, "v2", "v1")
    body = admin.post("/v1/models/promote", version="v2", reason="more leaves").json()
    assert (body["champion"], body["previous"], body["verdict"]["id"]) == ("v2", "v1", verdict)
    assert champion(workspace) == "v2"
    assert admin.post("/v1/models/promote", version="v2").status_code == 409
    body = admin.post("/v1/models/rollback", reason="complaints").json()
    assert body == {"champion": "v1", "previous": "v2", "quarantined": []}
    with workspace.ledger.begin(write=False) as unit:
        last, _, first, *_ = (row for row in unit.events() if row.actor == "rita")
    assert (last.kind, last.reason, last.detail["address"]) == (
        "AliasMoved",
        "complaints",
        "127.0.0.1",
    )
    assert (first.kind, first.reason) == ("AliasMoved", "more leaves")


def test_without_a_verdict_that_allows_it_nothing_is_promoted(admin: Admin, workspace: Any) -> None:
    assert admin.post("/v1/models/promote", version="v9").status_code == 404
    workspace.register(sharpness=2.0)
    unjudged = admin.post("/v1/models/promote", version="v2")
    assert (unjudged.status_code, unjudged.json()["error"]["code"]) == (409, "conflict")
    assert "tidemill models promote v2" in unjudged.json()["error"]["hint"]
    judge(workspace, "v2", None)
    outdated = admin.post("/v1/models/promote", version="v2")
    assert (outdated.status_code, champion(workspace)) == (409, "v1")
    failed = judge(workspace, "v2", "v1", passed=False)
    refused = admin.post("/v1/models/promote", version="v2")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "gate_refused")
    assert champion(workspace) == "v1"
    body = admin.post("/v1/models/promote", version="v2", override="we need it").json()
    assert champion(workspace) == "v2"
    assert body["verdict"]["override_reason"] == "we need it"
    assert body["verdict"]["id"] != failed
    with workspace.ledger.begin(write=False) as unit:
        stored = unit.get(Verdict, body["verdict"]["id"])
        assert (stored.passed, stored.override_reason) == (False, "we need it")
        assert unit.get(Verdict, failed).override_reason == ""


def test_there_is_nothing_to_go_back_to(admin: Admin) -> None:
    assert admin.post("/v1/models/rollback").status_code == 404


def test_labels_are_accepted_and_rejected(client: Any, workspace: Any) -> None:
    _, secret = create_key(workspace, "review", name="rita")
    client.app.state.keyring.refresh()
    reviewer = Admin(client, bearer(secret))
    for id in ("f1", "f2"):
        give_label(workspace, id)
    [row] = reviewer.post("/v1/feedback/accept", ids=["f1"], reason="seen").json()["feedback"]
    assert (row["id"], row["status"], row["reason"]) == ("f1", "accepted", "seen")
    unknown = reviewer.post("/v1/feedback/reject", ids=["f2", "f9"], reason="blurred")
    assert unknown.status_code == 404
    with workspace.ledger.begin(write=False) as unit:
        assert [row.status for row in unit.feedback()] == ["accepted", "pending"], "all or none"
    assert reviewer.post("/v1/feedback/accept", ids=["f1"]).status_code == 409
    assert reviewer.post("/v1/feedback/reject", ids=["f2"], reason="blurred").status_code == 200
    with workspace.ledger.begin(write=False) as unit:
        [event, *_] = unit.events(subject="f2")
    assert (event.actor, event.reason, event.detail["address"]) == (
        "rita",
        "blurred",
        "127.0.0.1",
    )


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/models/promote", {}),
        ("/v1/models/promote", {"version": ""}),
        ("/v1/models/promote", {"version": "v1", "forced": True}),
        ("/v1/models/promote", {"version": "v1", "reason": "a\x1b[2J"}),
        ("/v1/models/rollback", {"reason": "x" * 1001}),
        ("/v1/feedback/accept", {"ids": []}),
        ("/v1/feedback/accept", {"ids": ["f"] * 101}),
        ("/v1/feedback/reject", {"ids": ["f1"]}),
        ("/v1/feedback/reject", {"ids": ["f1"], "reason": ""}),
    ],
)
def test_a_body_that_does_not_fit_is_refused(admin: Admin, path: str, body: dict[str, Any]) -> None:
    response = admin.post(path, **body)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid")


def test_an_import_needs_a_database(admin: Admin) -> None:
    response = admin.post("/v1/feedback/import")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "usage")
    assert "TIDEMILL_FEEDBACK_DATABASE" in response.json()["error"]["hint"]


@pytest.mark.train_extra
def test_an_import_runs_the_command_and_passes_its_error_on(
    workspace: Any, start_app: Callable[..., Any]
) -> None:
    """There is no workspace on the disk, and the command says so."""
    workspace.promote(workspace.register())
    _, secret = create_key(workspace, "admin")
    settings = {"feedback_database": "sqlite:///nowhere.sqlite"}
    home = workspace.root / "empty"
    parts = workspace.parts(**settings)
    client = start_app(replace(parts, settings=parts.settings.model_copy(update={"home": home})))
    response = Admin(client, bearer(secret)).post("/v1/feedback/import")
    assert (response.status_code, response.json()["error"]["code"]) == (503, "unavailable")
    assert "no workspace" in response.json()["error"]["message"]


def test_addresses_are_for_reviewers(client: Any, admin: Admin, workspace: Any) -> None:
    workspace.register(sharpness=2.0)
    judge(workspace, "v2", "v1")
    assert admin.post("/v1/models/promote", version="v2").status_code == 200
    client.request("GET", "/v1/live", headers={"Host": "evil.example"})
    client.app.state.refusallog.close()
    for headers, addresses in (({}, set()), (admin._headers, {"127.0.0.1"})):
        events = client.request("GET", "/v1/events", headers=headers).json()["events"]
        moved = next(row for row in events if row["kind"] == "AliasMoved")
        refused = next(row for row in events if row["kind"] == "RequestsRefused")
        assert (
            {moved["detail"]["address"]} == addresses
            if addresses
            else ("address" not in moved["detail"])
        )
        assert {row["address"] for row in refused["detail"]["refusals"]} == (addresses or {""})
