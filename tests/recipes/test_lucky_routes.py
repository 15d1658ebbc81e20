"""The lucky system's routes alone. tests/web checks them with a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from tests.recipes.unused_server import UnusedServer
from tidemill.adapters.memory import FixedClock
from tidemill.domain.errors import BadPayload, StorageFailed, TidemillError, Unavailable
from tidemill.domain.feedback import Feedback
from tidemill.domain.types import Answer, Labels, Prediction, payload_id
from tidemill.recipes.lucky.routes import build
from tidemill.recipes.routes import Server
from tidemill.web import errors

pytestmark = pytest.mark.anyio
NOW = FixedClock().now()
# The label that comes first is not the one that the body names first.
ROW = {"no": 0.25, "yes": 0.75}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Canned(UnusedServer):
    """Returns the same answer for everything, or fails; records payloads and feedback."""

    def __init__(self, error: TidemillError | None = None, remarks: tuple[str, ...] = ()) -> None:
        self.error = error
        self.remarks = remarks
        self.payloads: list[bytes] = []
        self.feedback: list[tuple[bytes, Labels, str]] = []

    async def predict(self, request: Request, payloads: Sequence[bytes]) -> list[Prediction]:
        if self.error:
            raise self.error
        self.payloads += payloads
        answers = (Answer("answer", "yes", 0.75, ROW),)
        return [
            Prediction("id-1", "s", 1, "v1", NOW, "live", payload, answers, remarks=self.remarks)
            for payload in payloads
        ]

    async def record_feedback(
        self, request: Request, payload: bytes, labels: Labels, *, actor: str = "anonymous"
    ) -> list[Feedback]:
        if self.error:
            raise self.error
        self.feedback.append((payload, labels, actor))
        return [
            Feedback("f", "", payload_id(payload), target, "", label, "", actor, NOW)
            for target, label in labels.items()
        ]

    def ready(self) -> bool:
        return self.error is None


async def ask(server: Server, method: str, path: str, **request: Any) -> httpx.Response:
    app = FastAPI(redirect_slashes=False)
    app.include_router(build(server).router)
    errors.install_handlers(app)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, path, **request)


def refused(response: httpx.Response, status: int, code: str) -> str:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error["code"] == code
    message: str = error["message"]
    return message


@pytest.mark.parametrize("path", ["/ask_model/", "/ask_model"])
@pytest.mark.parametrize("form", ["params", "json"])
async def test_a_question_in_either_form_and_spelling(path: str, form: str) -> None:
    server = Canned()
    response = await ask(server, "POST", path, **{form: {"question": "Is rain wet? é & 漢"}})
    assert response.status_code == 200, response.text
    assert response.json() == {"probs": {"yes": 0.75, "no": 0.25}}
    assert response.headers["X-Prediction-Id"] == "id-1"
    assert "X-Remarks" not in response.headers
    assert server.payloads == ["Is rain wet? é & 漢".encode()]


async def test_a_question_as_the_original_load_test_escapes_it() -> None:
    server = Canned()
    response = await ask(server, "POST", "/ask_model/?question=Is+AI+cool%3F")
    assert response.status_code == 200
    assert server.payloads == [b"Is AI cool?"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("?question=x", {"question": "x"}),
        ("?question=x", {}),
        ("?question=", {"question": "x"}),
    ],
)
async def test_a_question_as_a_page_sends_it_with_a_json_body(
    path: str, body: dict[str, str]
) -> None:
    server = Canned()
    response = await ask(server, "POST", f"/ask_model/{path}", json=body)
    assert (response.status_code, server.payloads) == (200, [b"x"])


async def test_remarks_go_into_a_header() -> None:
    remarks = ("The first 12 characters were judged.", "“Odd” marks.")
    response = await ask(Canned(remarks=remarks), "POST", "/ask_model/?question=x")
    assert json.loads(response.headers["X-Remarks"]) == list(remarks)


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"params": {"prompt": "x"}},
        {"json": {}},
        {"json": {"question": 3}},
        {"json": None, "params": {}},
        {"json": {"question": "x"}, "params": {"question": "y"}},
        {"content": b"{", "headers": {"content-type": "application/json"}},
    ],
)
async def test_no_question_or_two_are_refused(request_: dict[str, Any]) -> None:
    server = Canned()
    refused(await ask(server, "POST", "/ask_model/", **request_), 422, "invalid")
    assert server.payloads == []


async def test_text_that_is_not_utf8_is_refused() -> None:
    server = Canned()
    for path in ("/ask_model/?question=caf%E9", "/submit_feedback/?prompt=caf%E9&label=yes"):
        assert "not UTF-8" in refused(await ask(server, "POST", path), 400, "bad_payload")
    head = {"content-type": "application/json"}
    body = b'{"question": "\\ud800"}'
    response = await ask(server, "POST", "/ask_model/", content=body, headers=head)
    assert "surrogate" in refused(response, 400, "bad_payload")
    assert (server.payloads, server.feedback) == ([], [])


@pytest.mark.parametrize(
    ("error", "status"),
    [(BadPayload("The text is empty."), 400), (Unavailable("Not ready."), 503)],
)
async def test_a_question_that_is_not_answered(error: TidemillError, status: int) -> None:
    response = await ask(Canned(error), "POST", "/ask_model/?question=")
    refused(response, status, error.code)


@pytest.mark.parametrize("path", ["/submit_feedback/", "/submit_feedback"])
@pytest.mark.parametrize("label", ["yes", "no"])
async def test_feedback_is_recorded(path: str, label: str) -> None:
    server = Canned()
    response = await ask(server, "POST", path, params={"prompt": "Is rain wet?", "label": label})
    assert (response.status_code, response.json()) == (200, {"status": "success"})
    assert server.feedback == [(b"Is rain wet?", {"answer": label}, "anonymous")]


@pytest.mark.parametrize(
    "params",
    [
        {"prompt": "x", "label": "maybe"},
        {"prompt": "x", "label": "Yes"},
        {"prompt": "x", "label": "true"},
        {"prompt": "x", "label": ""},
        {"prompt": "x"},
        {"label": "yes"},
    ],
)
async def test_feedback_that_is_neither_yes_nor_no_is_refused(params: dict[str, str]) -> None:
    server = Canned()
    response = await ask(server, "POST", "/submit_feedback/", params=params)
    assert "label" in refused(response, 422, "invalid") or "prompt" not in params
    assert server.feedback == []


async def test_failed_feedback_is_no_success() -> None:
    server = Canned(StorageFailed("The disk is full."))
    response = await ask(server, "POST", "/submit_feedback/", params={"prompt": "x", "label": "no"})
    refused(response, 503, "storage_failed")


async def test_the_root_leads_to_the_routes() -> None:
    response = await ask(Canned(), "GET", "/")
    assert (response.status_code, response.headers["location"]) == (307, "/docs")


async def test_no_other_site_may_read_an_answer() -> None:
    head = {"origin": "https://elsewhere.example"}
    response = await ask(Canned(), "POST", "/ask_model/?question=x", headers=head)
    assert not [name for name in response.headers if name.startswith("access-control")]
