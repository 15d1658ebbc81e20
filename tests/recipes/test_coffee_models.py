"""Which models learn coffee leaves: what each brings, and a pretrained one from end to end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import ResNetConfig, ResNetForImageClassification

from tests.recipes.sources import resolved
from tests.work import count_calls
from tidemill.domain.errors import DataError, Unavailable, UsageError
from tidemill.learn.image_classifier import ImageClassifier
from tidemill.learn.image_network import build
from tidemill.learn.residual import ResidualCNN
from tidemill.workspace.planning import plan
from tidemill.workspace.workspace import Workspace

PINNED = "acme/leaves@0123456789abcdef0123456789abcdef01234567"
LABELS = {"disease": ("healthy", "rust"), "plant": ("coffee", "vine", "potato")}
PROCESSOR: dict[str, Any] = {
    "do_resize": True,
    "size": {"shortest_edge": 40},
    "do_center_crop": True,
    "crop_size": {"height": 32, "width": 48},
    "do_rescale": True,
    "rescale_factor": 0.00392156862745098,
    "do_normalize": True,
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.3, 0.2],
}


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny classifier of random weights, saved as transformers do."""
    folder = tmp_path_factory.mktemp("resnet")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"
        )
        ResNetForImageClassification(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    return folder


def test_data_brings_a_model_and_the_model_its_size_and_plan() -> None:
    def sizes(*words: str) -> tuple[int, int, int, int]:
        tree = resolved("coffee", *words)
        size = tree["codec"]
        return size["width"], size["height"], tree["model"]["width"], tree["train"]["epochs"]

    assert sizes() == (96, 48, 16, 5)
    assert sizes("data=folder", "data.path=leaves") == (224, 112, 24, 32)
    assert sizes("data=archive", "data.path=leaves.zip") == (224, 112, 24, 32)
    assert sizes("data=folder", "data.path=leaves", "train.epochs=3")[3] == 3
    assert sizes("data=folder", "data.path=leaves", "model=original") == (128, 128, 24, 5)
    assert resolved("coffee", "data=folder", "data.path=x")["gate"]["margin"] == 0.06


def test_the_originals_plan_may_be_had_alone() -> None:
    plain = resolved("coffee", "data=folder", "data.path=x", "train=original")
    assert (plain["codec"]["width"], plain["train"]["epochs"]) == (224, 5)
    settings = {
        "learning_rate": 1e-3,
        "batch_size": 32,
        "weight_decay": 0.0,
        "schedule": "constant",
    }
    assert (settings | {"flip": False, "jitter": 0.0, "warp": 0.0}).items() <= plain[
        "train"
    ].items()


@pytest.mark.parametrize("data", ["sample", "folder"])
def test_a_pretrained_model_brings_its_images(resnet: Path, data: str, tmp_path: Path) -> None:
    words = [f"data={data}", *([f"data.path={tmp_path}"] if data == "folder" else [])]
    definition, experiment = plan("coffee", [*words, "model=pretrained", f"model.path={resnet}"])
    assert (experiment.train.learning_rate, experiment.train.epochs) == (3e-4, 8)
    codec = definition.codec(experiment.tree())
    shown = {key: codec.config()[key] for key in ("width", "height", "mean", "std")}
    assert shown == {"width": 48, "height": 32, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.2]}


def test_a_network_has_a_head_for_every_target(resnet: Path) -> None:
    words = ("model=pretrained", f"model.path={resnet}", "model.frozen=true", "train=heads")
    for tree, kind, side in (
        (resolved("coffee", *words), ImageClassifier, (32, 48)),
        (resolved("coffee", *words, "model.size=64"), ImageClassifier, (64, 64)),
        (resolved("coffee"), ResidualCNN, (48, 96)),
    ):
        network = build(tree, LABELS).eval()
        assert isinstance(network, kind)
        with torch.inference_mode():
            outputs = network(torch.zeros(2, *side, 3, dtype=torch.uint8))
        assert outputs["logits_disease"].shape == (2, 2)
        assert outputs["logits_plant"].shape == (2, 3)
        trained = [p for p in network.parameters() if p.requires_grad]
        assert (len(trained) == 4) is (kind is ImageClassifier)


@pytest.mark.parametrize("frozen", [pytest.param(False, marks=pytest.mark.slow), True])
def test_it_is_trained_exported_and_served(resnet: Path, tmp_path: Path, frozen: bool) -> None:
    """Of random weights: that it answers as it was judged is proved, not that it is good."""
    workspace = Workspace(tmp_path, "coffee", actor="ada")
    small = ("data.train=60", "data.val=40", "data.test=40", "train.epochs=2", "gate.floor=0.1")
    few = ("train.threads=1", "evaluate.images=5")
    words = (
        "model=pretrained",
        f"model.path={resnet}",
        f"model.frozen={frozen}",
    )
    finished = workspace.train(*small, *few, *words)
    predictor = workspace.predictor(finished.version)
    codec = json.loads((predictor.bundle.path / "codec.json").read_bytes())
    assert (codec["config"]["width"], codec["config"]["mean"]) == (48, [0.5, 0.4, 0.3])
    evaluation = predictor.bundle.evaluation().figures
    assert evaluation["parity"]["difference"] < 1e-4
    for sample in predictor.bundle.golden:
        decoded = predictor.preprocess(sample.payload).decoded
        [answers] = predictor.predict([decoded])
        expected = sample.probabilities["disease"]
        for name, probability in answers[0].probabilities.items():
            assert np.isclose(probability, expected[name], atol=1e-3)
    workspace.close()


def test_a_hub_that_nobody_runs_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    definition, experiment = plan("coffee", ["model=pretrained", f"model.weights={PINNED}"])

    def ask() -> None:
        with pytest.raises(Unavailable, match="cannot be had from the Hugging Face hub") as caught:
            definition.codec(experiment.tree())
        for choice in ("model=residual_cnn", "model.path=DIR"):
            assert choice in caught.value.hint

    calls = count_calls(ask)
    assert calls["HTTPTransport.handle_request"] == 1
    assert calls["sleep"] == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "told of no model"),
        (("model.weights=acme/leaves",), "names no commit"),
        (("model.weights=acme/leaves@main",), "names no commit"),
        ((f"model.weights=a/b/{PINNED}",), "neither a folder nor a name"),
        (("model.size=16",), "model.size"),
        (("model.path=nowhere",), "There is no folder"),
    ],
)
def test_a_model_that_cannot_be_is_refused_before_any_compute(
    words: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(UsageError) as caught:
        plan("coffee", ["model=pretrained", *words])
    assert sentence in caught.value.message


def test_a_size_beside_the_models_own_is_refused(resnet: Path) -> None:
    words = ("model=pretrained", f"model.path={resnet}")
    with pytest.raises(UsageError, match=r"no setting 'codec\.width'"):
        plan("coffee", [*words, "codec.width=64"])
    definition, experiment = plan("coffee", words)
    tree = experiment.tree()
    with pytest.raises(UsageError, match=r"brings its own codec\.width"):
        definition.codec({**tree, "codec": {**tree["codec"], "width": 64}})


@pytest.mark.parametrize("missing", ["preprocessor_config.json", "model.safetensors"])
def test_half_a_model_is_none(resnet: Path, tmp_path: Path, missing: str) -> None:
    for file in resnet.iterdir():
        if file.name != missing:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(DataError, match=f"holds no {missing}"):
        plan("coffee", ["model=pretrained", f"model.path={tmp_path}"])
