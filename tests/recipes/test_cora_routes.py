"""The cora system's route by itself. That it tells the truth of a model is proved in test_cora."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI, Request

from tidemill.adapters.memory import FixedClock
from tidemill.codecs.graph import GraphCodec
from tidemill.codecs.nodes import node_payload, whole_payload
from tidemill.domain.errors import TidemillError, Unavailable
from tidemill.domain.types import Answer, Prediction
from tidemill.recipes.cora.routes import build
from tidemill.recipes.routes import NO_PROBABILITY, GoldenRequest
from tidemill.web import errors

pytestmark = pytest.mark.anyio
NAMES = ("Theory", "Case_Based", "Rule_Learning")
CONTENT = b"35\t0\t1\t1\n40\t1\t0\t0\n8\t0\t0\t0\n"
CITES = b"35\t40\n"
CODEC = GraphCodec.from_config({"features": 3})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Canned:
    """Answers the nodes of a graph with the names in turn, or fails."""

    def __init__(self, error: TidemillError | None = None) -> None:
        self.error = error
        self.payloads: list[bytes] = []

    async def predict(self, request: Request, payloads: Sequence[bytes]) -> list[Prediction]:
        if self.error:
            raise self.error
        self.payloads += payloads
        ids = [node["id"] for node in json.loads(payloads[0])["nodes"]]
        answers = [
            Answer("topic", NAMES[at % 3], 0.5, dict.fromkeys(NAMES, 1 / 3), id)
            for at, id in enumerate(ids)
        ]
        now = FixedClock().now()
        return [Prediction("id-1", "s", 1, "v1", now, "live", payloads[0], tuple(answers))]

    def codec(self, request: Request) -> GraphCodec:
        if self.error:
            raise self.error
        return CODEC

    async def read(
        self, request: Request, function: Callable[..., bytes], *args: Any, cost_ns: float
    ) -> bytes:
        return function(self.codec(request), *args)


async def ask(server: Canned, **request: Any) -> httpx.Response:
    app = FastAPI()
    app.include_router(build(server).router)  # type: ignore[arg-type]  # what the route needs
    errors.install_handlers(app)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.post("/test/", **request)


def files(content: bytes = CONTENT, cites: bytes = CITES) -> dict[str, Any]:
    return {"files": {"data1": ("cora.content", content), "data2": ("cora.cites", cites)}}


async def test_topics_are_numbered_by_name_in_the_files_order() -> None:
    server = Canned()
    response = await ask(server, **files())
    assert (response.status_code, response.json()) == (200, [2, 0, 1])
    assert response.headers["X-Prediction-Id"] == "id-1"
    arguments = json.loads(server.payloads[0])
    assert [node["id"] for node in arguments["nodes"]] == ["35", "40", "8"]
    assert arguments["nodes"][0] == {"features": [1, 2], "id": "35", "links": ["40"]}
    assert arguments["whole"] is True


async def test_topics_in_the_upload_change_nothing() -> None:
    plain, labelled = Canned(), Canned()
    await ask(plain, **files())
    lines = CONTENT.splitlines()
    values = b"".join(line + b"\tNeural_Networks\n" for line in lines)
    assert (await ask(labelled, **files(values))).json() == [2, 0, 1]
    assert labelled.payloads == plain.payloads


@pytest.mark.parametrize(
    ("content", "cites", "message"),
    [
        (CONTENT, b"35\t99\n", "cites line 1"),
        (CONTENT, b"35\t40\n35\n", "cites line 2"),
        (CONTENT + b"9\t0\t1\n", CITES, "content line 4"),
        (CONTENT + b"9\t0\tmany\t0\n", CITES, "content line 4"),
        (CONTENT + b"35\t0\t1\t0\n", CITES, "content line 4"),
        (b"", b"", "The content has no line"),
    ],
)
async def test_a_fault_names_its_line(content: bytes, cites: bytes, message: str) -> None:
    response = await ask(Canned(), **files(content, cites))
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, "bad_payload")
    assert error["message"].startswith(message)


@pytest.mark.parametrize("values", [{}, {"files": {"data1": ("a", CONTENT)}}])
async def test_both_files_are_needed(values: dict[str, Any]) -> None:
    response = await ask(Canned(), **values)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid")


async def test_without_a_checked_model_nothing_is_answered() -> None:
    response = await ask(Canned(Unavailable("Not ready.")), **files())
    assert response.status_code == 503


def golden_request() -> GoldenRequest:
    (only,) = build(Canned()).golden_requests  # type: ignore[arg-type]
    return only


@pytest.mark.parametrize("normalise", [True, False])
async def test_the_golden_request_sends_a_paper_with_its_neighbours(normalise: bool) -> None:
    dice = np.random.default_rng(5)
    ids = [str(at) for at in range(40)]
    payloads = [
        node_payload(
            id,
            {int(word): float(value) for word, value in enumerate(dice.integers(0, 3, 6) / 2)},
            [str(other) for other in dice.integers(0, 40, 2)],
        )
        for id in ids
    ]
    values = whole_payload(payloads)
    config = {"features": 6, "normalise": normalise, "hops": 2}
    codec = GraphCodec.from_config(config).storing(values)
    params = golden_request()
    assert params.expand is not None
    for payload in payloads[:10]:
        arguments = params.build_request(params.expand(codec, payload))
        server = Canned()
        server.codec = lambda request: codec  # type: ignore[method-assign]
        response = await ask(server, **arguments)
        assert response.status_code == 200, response.text
        around, alone = (codec.decode(those) for those in (payload, server.payloads[0]))
        assert alone.part.size == around.part.size < 40
        before, after = codec.encode([around]), codec.encode([alone])
        first = before["query"][0]
        order = [first, *(at for at in range(around.part.size) if at != first)]
        np.testing.assert_array_equal(before["features"][order], after["features"])
        place = {at: row for row, at in enumerate(order)}
        moved = {(place[one], place[other]) for one, other in before["edges"].tolist()}
        assert moved == set(map(tuple, after["edges"].tolist()))


def test_the_golden_request_reads_only_the_first_number() -> None:
    assert golden_request().read_answers([3, 1, 2]) == [("topic", 3, NO_PROBABILITY)]
    with pytest.raises(IndexError):
        golden_request().read_answers([])
