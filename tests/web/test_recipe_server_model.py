"""What a recipe's routes may use of the model that answers a request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi import APIRouter, Request

from tidemill.recipes.routes import Routes, Server


def asking(server: Server) -> Routes:
    """A recipe that shows the codec, the samples and the scores."""
    router = APIRouter()

    @router.get("/codec")
    def codec(request: Request) -> str:
        return server.codec(request).kind

    @router.get("/samples")
    def samples(request: Request) -> list[dict[str, str]]:
        return [dict(sample.labels) for sample in server.golden_samples(request)]

    @router.get("/scores")
    def scores(request: Request) -> Any:
        return server.test_scores(request)

    return Routes(router)


@pytest.fixture
def start_with(
    workspace: Any, start_app: Any, tiny_files: Any, paint: Any, tiny_colours: Any
) -> Any:
    """The app over a version with this `evaluation.json`."""

    def start(evaluation: bytes) -> Any:
        files = {**tiny_files(), "evaluation.json": evaluation}
        del files["reference.npz"]
        workspace.promote(workspace.enter(files, [paint(colour) for colour in tiny_colours]))
        return start_app(workspace.parts(), asking)

    return start


def test_codec_and_samples_are_those_of_the_model_that_answers(start_with: Any) -> None:
    client = start_with(b"{}")
    assert client.request("GET", "/codec").json() == "image"
    samples = client.request("GET", "/samples").json()
    assert [row["disease"] for row in samples] == ["miner", "healthy", "phoma"]


@pytest.mark.parametrize("path", ["/codec", "/samples", "/scores"])
def test_without_a_model_routes_get_503(workspace: Any, start_app: Any, path: str) -> None:
    response = start_app(workspace.parts(), asking).request("GET", path)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "not_ready")


@pytest.mark.parametrize(
    ("targets", "scores"),
    [
        ({}, {}),
        ({"disease": {"test": None}}, {}),
        (
            {"disease": {"test": {"accuracy": 0.75, "macro_f1": 0.5, "nll": 1.0}}},
            {"disease": {"accuracy": 0.75, "macro_f1": 0.5}},
        ),
    ],
)
def test_scores_are_those_of_the_test(start_with: Any, targets: Any, scores: Any) -> None:
    client = start_with(json.dumps({"targets": targets}).encode())
    assert client.request("GET", "/scores").json() == scores


@pytest.mark.parametrize(
    "evaluation",
    [b"no json", b"[]", b'{"targets": {"disease": {}}}', b'{"targets": {"disease": {"test": {}}}}'],
)
def test_a_malformed_evaluation_is_an_error(start_with: Any, evaluation: bytes) -> None:
    response = start_with(evaluation).request("GET", "/scores")
    assert (response.status_code, response.json()["error"]["code"]) == (500, "corrupt")
    assert "is malformed" in response.json()["error"]["message"]


def test_an_unreadable_evaluation_is_an_error(start_with: Any, workspace: Any) -> None:
    client = start_with(b"{}")
    [bundle] = workspace.bundles.root.iterdir()
    (bundle / "evaluation.json").unlink()
    response = client.request("GET", "/scores")
    assert (response.status_code, response.json()["error"]["code"]) == (503, "storage_failed")
