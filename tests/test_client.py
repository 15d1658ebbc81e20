"""A client over HTTP gives what a workspace gives at home: same types, same errors."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tidemill import Client, Workspace, errors
from tidemill.domain.errors import rebuild_error
from tidemill.engine.engine import Engine
from tidemill.testing.in_process import open_loops
from tidemill.testing.tiny_recipe.pebbles import pebbles

pytestmark = pytest.mark.xdist_group("pebbles")
FLINT = {"gloss": 40.0, "length": 30.0, "weight": 60.0}


@pytest.fixture(scope="module")
def workspace(pebbled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with open_loops(pebbled, tmp_path_factory.mktemp("client") / "home") as begin:
        yield Workspace(begin().workspace.home, actor="ada")


@pytest.fixture(scope="module")
def client(workspace: Workspace) -> Iterator[Client]:
    with workspace.serve() as server, Client(server.url, "a-key") as client:
        yield client


def test_a_prediction_is_the_one_at_home(workspace: Workspace, client: Client) -> None:
    prediction = client.predict(FLINT)
    stored = workspace.prediction(prediction.id)
    assert (prediction.label, prediction.answers) == ("flint", stored.answers)
    assert abs(prediction.at - stored.at) < timedelta(seconds=30)
    assert client.prediction(prediction.id).answers == stored.answers
    assert client.why(prediction) == workspace.why(prediction)
    assert client.why() == workspace.why()


def test_many_payloads_keep_their_order(workspace: Workspace, client: Client) -> None:
    payloads = [row.payload for row in pebbles(50, 3, 0.0)]
    predictions = client.predict_many(payloads)
    expected = workspace.predict_many(payloads, record=False)
    assert [row.answers for row in predictions] == [row.answers for row in expected]
    assert len({row.id for row in predictions}) == 50


def test_feedback_is_the_record_at_home(workspace: Workspace, client: Client) -> None:
    by_prediction = client.feedback(client.predict(FLINT), "slate", actor="bob")
    by_payload = client.feedback({**FLINT, "gloss": 41.0}, "flint")
    assert (by_prediction.predicted_label, by_prediction.actor) == ("flint", "bob")
    assert {by_prediction, by_payload} <= set(workspace.list_feedback())
    assert client.list_feedback(limit=2) == workspace.list_feedback(limit=2)
    assert client.list_feedback(status="rejected") == []


def test_the_records_of_the_loop_are_those_at_home(workspace: Workspace, client: Client) -> None:
    client.predict_many([row.payload for row in pebbles(250, 50, 0.0)])
    with Engine(workspace, "drift.every_s=0") as engine:
        engine.catch_up()
    assert client.versions() == workspace.versions()
    assert client.version("v1") == workspace.version("v1")
    assert client.drift() == workspace.drift()
    assert client.drift().verdicts
    workspace.trigger_cycle(reason="for the test")
    assert client.list_cycles() == workspace.list_cycles()
    assert client.info()["codec"] == "pebble"


def test_errors_are_those_of_the_tree(client: Client) -> None:
    with pytest.raises(errors.BadPayload, match="no pebble") as raised:
        client.predict(b"{}")
    assert raised.value.hint
    with pytest.raises(errors.ForeignLabel):
        client.feedback(FLINT, "gold")
    with pytest.raises(errors.NotFound):
        client.prediction("none")
    with pytest.raises(errors.UsageError, match="takes pebble"):
        client.explain(FLINT)
    with pytest.raises(errors.InvalidRequest, match="weight"):
        client.predict({"gloss": 1.0, "length": 2.0})


def test_a_payload_at_fault_is_named(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text("{}")
    with pytest.raises(errors.BadPayload, match=r"bad\.json: This is no pebble"):
        client.predict(file)
    with pytest.raises(errors.BadPayload, match=r"^Of payloads 16 to 17: Payload 1: This is no"):
        client.predict_many([FLINT] * 17 + [b"{}"])
    with pytest.raises(errors.InvalidRequest, match=r"^Payload 1: weight"):
        client.predict_many([FLINT, {"gloss": 1.0, "length": 2.0}])


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(errors.Unavailable, match="reached"):
        client.predict(FLINT)


def test_a_stranger_that_answers_is_no_success() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        return httpx.Response(502, text="<html>Bad Gateway</html>")

    transport = httpx.MockTransport(refuse)
    with (
        Client("http://proxy", transport=transport) as client,
        pytest.raises(errors.TidemillError, match="502 Bad Gateway") as raised,
    ):
        client.info()
    assert raised.value.code == "http_502"


def test_an_error_is_rebuilt_from_its_code() -> None:
    classes = [errors.TidemillError]
    for each in classes:
        classes += each.__subclasses__()
    for each in classes:
        error = rebuild_error(each.code, "It failed.", "Try again.")
        assert (type(error), error.message, error.hint) == (each, "It failed.", "Try again.")
    strange = rebuild_error("too_large", "It is too large.")
    assert (type(strange), strange.code) == (errors.TidemillError, "too_large")
    refused = rebuild_error("data_refused", "No.", lines=("a.png is empty",))
    assert isinstance(refused, errors.DataRefused)
    assert refused.lines == ("a.png is empty",)
