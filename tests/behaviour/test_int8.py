"""An int8 model goes the whole way: training, gate, golden check and predictions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.behaviour.service import Service, learn, open_home, serving
from tidemill.adapters.onnx import OnnxRuntime
from tidemill.recipes.recipe import open_recipe

pytestmark = pytest.mark.xdist_group("int8")

SMALL = ("data.train=600", "data.val=200", "data.test=200", "train.epochs=6", "gate.floor=0.5")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose champion, in int8, passed the gate."""
    home = tmp_path_factory.mktemp("int8")
    workspace = open_home(home, create=True)
    try:
        recipe = open_recipe("sentiment")
        finished = learn(workspace, recipe, *SMALL, "export.precision=int8")
        verdict = workspace.promote(finished.version.id)
        assert verdict.passed, verdict
    finally:
        workspace.close()
    return home


@pytest.fixture(scope="module")
def service(home: Path) -> Iterator[Service]:
    with serving(home, "sentiment") as service:
        yield service


def test_an_int8_model_answers_each_text_as_if_alone(service: Service) -> None:
    assert service.client.request("GET", "/v1/ready").status_code == 200
    texts = ["Profit rose.", "Loss " * 300, "The company opens an office in Turku."]
    together = service.ask(texts)
    assert together == [service.ask([text])[0] for text in texts]


def test_the_bundle_records_the_cost_of_int8(home: Path) -> None:
    (bundle,) = (home / "bundles").iterdir()
    body = json.loads((bundle / "evaluation.json").read_bytes())["int8"]
    assert body["bytes_after"] == (bundle / "model.onnx").stat().st_size
    assert body["bytes_after"] < 0.5 * body["bytes_before"]
    assert body["agreement"] > 0.95
    assert "in int8" in (bundle / "card.md").read_text()
    assert OnnxRuntime((bundle / "model.onnx").read_bytes()).alone
