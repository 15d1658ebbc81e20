"""One JSON shape for every failure, and a status for every error."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import pytest
from fastapi import APIRouter

from tests.web.test_keys import bearer, create_key
from tidemill.domain import errors as domain
from tidemill.domain.errors import InvalidRequest, TidemillError
from tidemill.recipes.routes import PredictionServer, Routes
from tidemill.web.errors import STATUS, ErrorGuard
from tidemill.web.request_context import pin_slot
from tidemill.web.slots import Slot


def tree(kind: type[TidemillError]) -> Iterator[type[TidemillError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


def test_every_error_has_a_status() -> None:
    ours = [kind for kind in tree(TidemillError) if kind.__module__.startswith("tidemill.")]
    assert len(ours) >= 15
    assert [kind.__name__ for kind in ours if kind not in STATUS] == []
    assert all(400 <= status < 600 for status in STATUS.values())


def failing(error: Exception) -> Any:
    def build(_: PredictionServer) -> Routes:
        router = APIRouter()

        @router.get("/fail")
        async def fail() -> None:
            raise error

        @router.get("/number/{value}")
        async def number(value: int) -> int:
            return value

        return Routes(router)

    return build


def shape(response: Any, status: int) -> dict[str, str]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "hint"}
    assert body["error"]["code"]
    assert body["error"]["message"]
    error: dict[str, str] = body["error"]
    return error


@pytest.mark.parametrize("kind", [k for k in STATUS if k.__module__ == domain.__name__])
def test_each_error_as_its_status(
    workspace: Any, start_app: Any, kind: type[TidemillError]
) -> None:
    client = start_app(workspace.parts(), failing(kind("A sentence.", hint="Another.")))
    response = client.request("GET", "/fail")
    error_body = shape(response, STATUS[kind])
    assert error_body == {"code": kind.code, "message": "A sentence.", "hint": "Another."}
    passing = (domain.Overloaded, domain.RateLimited, domain.Starting, domain.StorageFailed)
    waiting_helps = kind in passing
    assert ("Retry-After" in response.headers) == waiting_helps


def test_an_unexpected_error_is_logged_and_not_shown(
    workspace: Any, start_app: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client = start_app(workspace.parts(), failing(RuntimeError("the secret inside")))
    response = client.request("GET", "/fail")
    assert shape(response, 500)["code"] == "internal"
    assert "secret" not in response.text
    assert "the secret inside" in caplog.text


async def _gone() -> dict[str, Any]:
    return {"type": "http.disconnect"}


@pytest.mark.parametrize("path", ["/v1/predict", "/predict"])
def test_a_client_that_goes_away_while_it_sends_is_no_failure_of_ours(
    client: Any, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    messages: list[Any] = []
    headers = [
        (b"content-type", b"multipart/form-data; boundary=b"),
        (b"transfer-encoding", b"chunked"),
    ]

    async def send(message: Any) -> None:
        messages.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": headers,
    }
    asyncio.run(client.app(scope, _gone, send))
    assert messages[0]["status"] == 499
    assert caplog.records == []
    assert client.request("GET", "/v1/ready").status_code == 200


def test_every_route_refuses_in_the_one_shape(client: Any, workspace: Any) -> None:
    headers = bearer(create_key(workspace, "admin")[1])
    client.app.state.keyring.refresh()
    paths = client.request("GET", "/openapi.json").json()["paths"]
    assert {"/v1/predict", "/v1/models/{id}", "/metrics", "/predict", "/health"} <= set(paths)
    for path, operations in paths.items():
        response = client.request("DELETE", path.replace("{id}", "x"), headers=headers)
        if path.startswith("/v2/"):
            # The Open Inference Protocol has a shape of its own.
            assert (response.status_code, type(response.json()["error"])) == (405, str)
            continue
        assert shape(response, 405)["code"] == "method_not_allowed", path
        assert response.headers["allow"]
        for operation in operations.values():
            failures = {s: row for s, row in operation["responses"].items() if s >= "400"}
            assert {"403", "500"} <= set(failures), path
            for failure in failures.values():
                assert str(failure["content"]).endswith("/schemas/Failure'}}}"), path


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/v1/live/", 404),
        ("GET", "/v1/models/v9", 404),
        ("GET", "/v1/predictions/none", 404),
        ("GET", "/v1/predictions/0190163d-8694-739b-aea5-966c26f8ad91", 404),
        ("GET", "/v1/events?limit=0", 422),
        ("GET", "/v1/events?limit=many", 422),
        ("GET", "/v1/models?limit=1001", 422),
        ("POST", "/predict", 422),
        ("POST", "/v1/predict", 415),
    ],
)
def test_statuses(client: Any, method: str, path: str, status: int) -> None:
    shape(client.request(method, path), status)


def test_a_failure_quotes_no_control_characters_and_not_everything(
    workspace: Any, start_app: Any
) -> None:
    wild = "\x1b[2J\r\n\u202e\u2028\udcff\x7f caf\u00e9 \u4e2d\u6587 " + "x" * 5_000
    error = InvalidRequest(wild, hint=wild)  # a 500 would be in the log, and in the report
    client = start_app(workspace.parts(), failing(error))
    body = shape(client.request("GET", "/fail"), 422)
    for text in (body["message"], body["hint"]):
        begin = r"\x1b[2J\r\n\u202e\u2028\udcff\x7f" + " caf\u00e9 \u4e2d\u6587 xx"
        assert text.startswith(begin)
        assert text.endswith("x...")
        assert len(text) < 1_100


@pytest.mark.parametrize("path", ["/v1/live", "/v1/models", "/docs", "/openapi.json", "/metrics"])
def test_head_answers_where_get_does_without_a_body(client: Any, path: str) -> None:
    got, headed = client.request("GET", path), client.request("HEAD", path)
    assert (headed.status_code, headed.content) == (got.status_code, b"")
    assert headed.headers["content-type"] == got.headers["content-type"]


def test_head_of_a_recipes_route_sends_no_byte_of_the_body(client: Any) -> None:
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    head = [(b"host", b"localhost")]
    scope = {"type": "http", "method": "HEAD", "path": "/health", "query_string": b""}
    asyncio.run(client.app({**scope, "headers": head}, receive, send))
    assert messages[0]["status"] == 200
    assert dict(messages[0]["headers"])[b"content-length"] != b"0"
    assert all(message["body"] == b"" for message in messages[1:])


def test_head_is_refused_where_there_is_no_get(client: Any) -> None:
    response = client.request("HEAD", "/v1/predict")
    assert (response.status_code, response.content) == (405, b"")
    assert response.headers["allow"] == "POST"
    assert client.request("DELETE", "/v1/live").headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("path", "media_type", "readable"),
    [
        ("/predict", "application/json", "multipart/form-data"),
        ("/predict", "text/plain", "multipart/form-data"),
        ("/v1/explain", "application/json", "multipart/form-data"),
        ("/v1/predict", "text/plain", "application/json, or multipart/form-data"),
        ("/v1/models/promote", "text/plain", "application/json"),
        ("/v1/models/promote", "multipart/form-data; boundary=B", "application/json"),
    ],
)
def test_a_body_of_another_type_is_refused_for_its_type(
    client: Any, workspace: Any, path: str, media_type: str, readable: str
) -> None:
    headers = bearer(create_key(workspace, "admin")[1]) | {"Content-Type": media_type}
    client.app.state.keyring.refresh()
    body = b"--B--\r\n" if "boundary" in media_type else b'{"file": "x"}'
    error = shape(client.request("POST", path, content=body, headers=headers), 415)
    assert error["code"] == "unsupported_media_type"
    assert media_type.partition(";")[0] in error["message"]
    assert readable in error["hint"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "The body is not JSON in UTF-8: "),
        ('{"version": "caf\u00e9"}'.encode("latin-1"), "The body is not JSON in UTF-8."),
        (b"", "body: Field required."),
        (b'{"version": "v1", "extra": 1}', "body.extra: Extra inputs are not permitted."),
    ],
)
def test_a_json_body_that_is_none_says_why(
    client: Any, workspace: Any, body: bytes, message: str
) -> None:
    headers = bearer(create_key(workspace, "admin")[1]) | {"Content-Type": "application/json"}
    client.app.state.keyring.refresh()
    response = client.request("POST", "/v1/models/promote", content=body, headers=headers)
    assert shape(response, 422)["message"].startswith(message)


def test_what_a_stop_ends_is_answered_and_what_the_golden_check_ends_is_not() -> None:
    messages: list[Any] = []

    async def wait_for_ever(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        messages.append(message)

    async def end(app: Any) -> None:
        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        task = asyncio.create_task(app(scope, None, send))
        await asyncio.sleep(0)
        task.cancel()
        await task

    guard = ErrorGuard(wait_for_ever)
    asyncio.run(end(guard))
    assert messages[0]["status"] == 503
    assert b"The server is stopping." in messages[1]["body"]
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(end(pin_slot(guard, cast(Slot, None))))
    assert len(messages) == 2
