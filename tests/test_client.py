"""A client over HTTP gives what a workspace gives at home: same types, same errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tidemill import Client, Workspace, errors
from tidemill.domain.errors import read_error
from tidemill.engine.engine import Engine
from tidemill.testing import use_tiny_recipe
from tidemill.testing.in_process import open_loops
from tidemill.testing.tiny_recipe.pebbles import pebbles

pytestmark = pytest.mark.xdist_group("pebbles")
FLINT = {"gloss": 40.0, "length": 30.0, "weight": 60.0}


@pytest.fixture(scope="module")
def workspace(pebbled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with open_loops(pebbled, tmp_path_factory.mktemp("client") / "home") as begin:
        yield Workspace(begin().workspace.home, actor="ada")


@pytest.fixture(scope="module")
def secret(workspace: Workspace) -> str:
    return workspace.create_key("rita", ["admin"]).secret


@pytest.fixture(scope="module")
def client(workspace: Workspace, secret: str) -> Iterator[Client]:
    assert secret, "the key is there before the server"
    with workspace.serve() as server, Client(server.url) as client:
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
    assert (by_prediction.predicted_label, by_prediction.actor) == ("flint", "anonymous")
    assert by_prediction.claimed_actor == "bob"
    at_home = workspace.list_feedback(limit=2)
    assert {row.client for row in at_home} == {"127.0.0.1"}
    shown = [replace(row, client="") for row in at_home]  # an address is for reviewers
    assert shown == [by_payload, by_prediction]
    assert client.list_feedback(limit=2) == shown
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


def test_an_error_is_read_from_its_code() -> None:
    classes = [errors.TidemillError]
    for each in classes:
        classes += each.__subclasses__()
    for each in classes:
        body = {"code": each.code, "message": "It failed.", "hint": "Try again.", "retry": 1}
        error = read_error({"error": body})
        assert error
        assert (type(error), error.message, error.hint) == (each, "It failed.", "Try again.")
    strange = read_error({"error": {"code": "too_round", "message": "It is too round."}})
    assert strange
    assert (type(strange), strange.code) == (errors.TidemillError, "too_round")
    refused = read_error({"error": {"code": "data_refused", "message": "No.", "lines": ["a.png"]}})
    assert isinstance(refused, errors.DataRefused)
    assert refused.lines == ("a.png",)


@pytest.mark.parametrize(
    "body",
    [None, [], {}, {"error": "x"}, {"error": {"code": 404, "message": "x"}}, {"error": {}}],
    ids=str,
)
def test_what_is_no_error_of_ours_is_none(body: object) -> None:
    assert read_error(body) is None


STRANGE = {
    "html": b"<html>Log in</html>",
    "truncated": b'{"predictions": [',
    "nothing": b"",
    "list": b"[]",
    "null": b"null",
    "object": b"{}",
    "binary": b"\xff\xfe",
}
CALLS: dict[str, Callable[[Client], object]] = {
    "predict": lambda client: client.predict(FLINT),
    "feedback": lambda client: client.feedback(FLINT, "flint"),
    "list_feedback": lambda client: client.list_feedback(),
    "prediction": lambda client: client.prediction("p"),
    "why": lambda client: client.why("v1"),
    "why champion": lambda client: client.why(),
    "drift": lambda client: client.drift(),
    "versions": lambda client: client.versions(),
    "version": lambda client: client.version("v1"),
    "cycles": lambda client: client.list_cycles(),
    "ready": lambda client: client.require_ready(),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_success_is_unavailable(call: str, name: str) -> None:
    use_tiny_recipe()

    def answer(request: httpx.Request) -> httpx.Response:
        own = request.url.path == "/v1/info"
        return httpx.Response(200, content=b'{"codec": "pebble"}' if own else STRANGE[name])

    transport = httpx.MockTransport(answer)
    with (
        Client("http://strange", transport=transport) as client,
        pytest.raises(errors.Unavailable, match="something else than expected"),
    ):
        CALLS[call](client)


@pytest.mark.parametrize("id", ["../info", "a#b", "v1?limit=1", "..", "a\nb", "x" * 10_000, "é"])
def test_an_id_stays_one_part_of_the_path(client: Client, id: str) -> None:
    for look_up in (client.prediction, client.version, client.why):
        with pytest.raises(errors.NotFound):
            look_up(id)


@pytest.mark.parametrize(
    ("url", "key"),
    [("127.0.0.1:8000", ""), ("http://[::1", ""), ("http://a", "clé"), ("http://a", "two\nlines")],
    ids=("scheme", "bracket", "letter", "line"),
)
def test_a_malformed_address_or_key_is_refused_and_no_key_is_shown(url: str, key: str) -> None:
    with pytest.raises(errors.UsageError) as raised:
        Client(url, key)
    assert not key or key not in raised.value.message


def test_a_closed_client_says_so(client: Client) -> None:
    other = Client(str(client._http.base_url))
    other.close()
    with pytest.raises(errors.UsageError, match="closed"):
        other.info()


def test_a_request_holds_so_many_bytes_at_most() -> None:
    use_tiny_recipe()
    sizes: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/info":
            return httpx.Response(200, json={"codec": "pebble"})
        sizes.append(len(request.read()))
        error = {"code": "overloaded", "message": "Enough.", "hint": ""}
        return httpx.Response(503, json={"error": error})

    with (
        Client("http://full", transport=httpx.MockTransport(answer)) as client,
        pytest.raises(errors.Overloaded),
    ):
        client.predict_many([b"x" * (6 << 20)] * 16)
    assert 16 << 20 <= sizes[0] < 24 << 20


def test_feedback_names_a_prediction_by_its_id(client: Client) -> None:
    prediction = client.predict({**FLINT, "gloss": 42.0})
    assert client.feedback(prediction.id, "slate").prediction == prediction.id


def test_a_payload_has_one_example_however_it_is_spelt(
    workspace: Workspace, client: Client
) -> None:
    spelt = b'{"gloss": 40.0,\n "weight": 60.0, "length": 30.0}'
    examples = {
        workspace.predict(spelt).example,
        workspace.predict(FLINT).example,
        workspace.feedback(spelt, "flint").example,
        client.feedback(spelt, "flint").example,
        workspace.prediction(client.predict(spelt).id).example,
    }
    assert len(examples) == 1


def test_a_prediction_that_was_not_recorded_is_refused(
    workspace: Workspace, client: Client
) -> None:
    prediction = workspace.predict(FLINT, record=False)
    for use in (
        workspace.why,
        workspace.lineage,
        client.why,
        lambda row: client.feedback(row, "flint"),
        lambda row: workspace.feedback(row, "flint"),
    ):
        with pytest.raises(errors.UsageError, match="not recorded"):
            use(prediction)


def test_a_key_reviews_and_administers(workspace: Workspace, client: Client, secret: str) -> None:
    url = str(client._http.base_url)
    admin = Client(url, secret)
    label = client.feedback({**FLINT, "gloss": 43.0}, "slate")
    with pytest.raises(errors.Unauthorised, match="scope review"):
        client.accept_feedback(label.id)
    [accepted] = admin.accept_feedback(label.id, reason="seen")
    assert (accepted.status, accepted.reason) == ("accepted", "seen")
    [rejected] = admin.reject_feedback(label.id, reason="blurred")
    assert rejected in workspace.list_feedback(status="rejected")
    assert admin.feedback({**FLINT, "gloss": 44.0}, "slate").actor == "rita"
    with pytest.raises(errors.Conflict, match="champion already"):
        admin.promote("v1", reason="again")
    with pytest.raises(errors.NotFound, match="no previous champion"):
        admin.rollback(reason="complaints")
    admin.close()
    with (
        Client(url, "wrong") as stranger,
        pytest.raises(errors.Unauthorised, match="unknown"),
    ):
        stranger.info()
