"""The read routes of the loop."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import pytest

from tidemill.domain.cycle import Cycle
from tidemill.domain.drift import DriftVerdict, FeatureDrift, Profile
from tidemill.domain.events import CycleMoved, CycleOpened, DriftChecked, FeedbackReceived
from tidemill.domain.feedback import Feedback
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import Prediction
from tidemill.web.reply import json_response

SERVER = "01a1fb4a-0e21-7c53-9c5f-0d3e3f2b7a11"


def plain(record: Any) -> dict[str, Any]:
    """Return a record in its JSON form."""
    fields: dict[str, Any] = json.loads(bytes(json_response(asdict(record)).body))
    return fields


def feedback(unit: UnitOfWork, at: Any, count: int) -> list[Feedback]:
    rows = []
    for n in range(count):
        status: Any = "accepted" if n % 2 else "pending"
        row = Feedback(f"f{n}", "", f"{n}" * 64, "disease", "", "Miner", "", "ana", at, status)
        event = FeedbackReceived(
            actor="ana", subject=row.id, example=row.example, target="disease", label="Miner"
        )
        unit.add(row, event)
        rows.append(row)
    return rows


def test_feedback_newest_first_and_of_a_status_oldest_first(client: Any, workspace: Any) -> None:
    with workspace.ledger.begin() as unit:
        rows = feedback(unit, workspace.clock.now(), 4)
    result = client.request("GET", "/v1/feedback").json()["feedback"]
    assert result == [plain(row) for row in reversed(rows)]
    pending = client.request("GET", "/v1/feedback?status=pending").json()["feedback"]
    assert [row["id"] for row in pending] == ["f0", "f2"]
    first = client.request("GET", "/v1/feedback?status=pending&limit=1").json()["feedback"]
    assert [row["id"] for row in first] == ["f0"]


def test_labels_of_strangers_hide_none_of_another_actor(client: Any, workspace: Any) -> None:
    with workspace.ledger.begin() as unit:
        rows = feedback(unit, workspace.clock.now(), 5)
        stray = replace(rows[0], id="f9", actor="anonymous")
        event = FeedbackReceived(
            actor="anonymous", subject="f9", example="x", target="disease", label="Miner"
        )
        unit.add(stray, event)

    def ids(query: str) -> list[str]:
        body = client.request("GET", f"/v1/feedback?{query}").json()
        return [row["id"] for row in body["feedback"]]

    assert ids("actor=anonymous") == ["f9"]
    assert ids("actor=ana&status=pending") == ["f0", "f2", "f4"]
    assert ids("actor=ana&status=pending&after=f0&limit=1") == ["f2"]
    assert ids("after=f3") == ["f4", "f9"]
    response = client.request("GET", "/v1/feedback?after=f7")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize("query", ["status=maybe", "limit=0", "limit=1001", "actor=%00"])
def test_a_query_that_makes_no_sense_is_refused(client: Any, query: str) -> None:
    response = client.request("GET", f"/v1/feedback?{query}")
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid")


def window(unit: UnitOfWork, version: str, at: Any, since: int, n: int) -> None:
    """Drain `n` predictions of a version."""
    rows = [
        Prediction(f"p{since + k}", SERVER, since + k, version, at, "live", b"", ())
        for k in range(1, n + 1)
    ]
    unit.drain(SERVER, rows, [Profile(version, "live", at, n, (n, 0))], since=since)


def test_drift_of_the_champion_and_its_open_window(client: Any, workspace: Any) -> None:
    at = workspace.clock.now()
    features = (FeatureDrift("red", 0.4, 0.2, 0.001, True),)
    verdict = DriftVerdict("d1", "v1", True, 5, 100, at, at, features, at, 0.2)
    event = DriftChecked(actor="engine", subject="d1", version="v1", drifted=True)
    assert client.request("GET", "/v1/drift").json() == {
        "version": "v1",
        "unjudged": 0,
        "policy": {},
        "verdicts": [],
    }
    with workspace.ledger.begin() as unit:
        window(unit, "v1", at, 0, 5)
        unit.record_drift_verdict(verdict, event)
        window(unit, "v1", at, 5, 3)
        window(unit, "v1", at + timedelta(minutes=1), 8, 4)
    body = client.request("GET", "/v1/drift").json()
    assert body == {"version": "v1", "unjudged": 7, "policy": {}, "verdicts": [plain(verdict)]}
    workspace.promote(workspace.register())
    assert client.request("GET", "/v1/drift").json() == {
        "version": "v2",
        "unjudged": 0,
        "policy": {},
        "verdicts": [],
    }


def test_drift_without_a_champion(workspace: Any, start_app: Any) -> None:
    body = start_app(workspace.parts()).request("GET", "/v1/drift").json()
    assert body == {"version": None, "unjudged": 0, "policy": {}, "verdicts": []}


def test_cycles_newest_first_and_one_with_its_events(client: Any, workspace: Any) -> None:
    at = workspace.clock.now()
    first = Cycle("c1", "coffee", "drift", "It drifted.", "v1", at)
    second = replace(first, id="c2", trigger="person", cause="ana wants it")
    refused = replace(first, state="refused", reason="too little", changed_at=at)
    opening = {"actor": "engine", "champion": "v1"}
    with workspace.ledger.begin() as unit:
        unit.open_cycle(first, CycleOpened(**opening, subject="c1", trigger="drift"))
        moved = CycleMoved(actor="engine", subject="c1", before="triggered", state="refused")
        unit.move_cycle(refused, expected="triggered", event=moved)
        unit.open_cycle(second, CycleOpened(**opening, subject="c2", trigger="person"))
    assert client.request("GET", "/v1/cycles").json() == {"cycles": [plain(second), plain(refused)]}
    assert len(client.request("GET", "/v1/cycles?limit=1").json()["cycles"]) == 1
    one = client.request("GET", "/v1/cycles/c1").json()
    events = one.pop("events")
    assert one == plain(refused)
    assert [event["kind"] for event in events] == ["CycleMoved", "CycleOpened"]
    response = client.request("GET", "/v1/cycles/c9")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")
