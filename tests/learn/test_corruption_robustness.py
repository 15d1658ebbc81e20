"""Corruption robustness: the counts, the questions, and the place in a bundle."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tidemill.adapters.hydra import resolve
from tidemill.adapters.onnx import OnnxRuntime
from tidemill.codecs.image import ImageCodec
from tidemill.data.corruptions import KINDS, STRENGTHS, corrupt_image
from tidemill.domain.errors import UsageError
from tidemill.domain.types import Example
from tidemill.experiment import read_experiment
from tidemill.learn.arrays import EncodedSplit
from tidemill.learn.corruption_robustness import (
    IMAGES_AT_ONCE,
    CorruptionRobustness,
    draw_examples,
    measure_robustness,
)
from tidemill.learn.evaluate_plan import EvaluatePlan
from tidemill.learn.export import export
from tidemill.learn.figures import corruptions_figure
from tidemill.learn.progress import Progress
from tidemill.learn.residual import ResidualCNN
from tidemill.learn.rows import ArrayRows
from tidemill.predictor import Model
from tidemill.recipes.coffee.recipe import Coffee
from tidemill.recipes.shared.leaves import Sample, examples
from tidemill.workspace.workspace import Workspace

# One worker makes what these tests share.
pytestmark = pytest.mark.xdist_group("robustness")
LABELS = {"disease": ("healthy", "miner", "phoma", "red spider mite", "rust")}
CODEC = ImageCodec.from_config({"width": 48, "height": 32, "mean": [0.5] * 3, "std": [0.25] * 3})
TINY = (
    *("data.train=60", "data.val=40", "data.test=60", "codec.width=48", "codec.height=32"),
    *("model.width=8", "train.epochs=1", "train.averaging=0", "train.threads=1"),
)


@pytest.fixture(scope="module")
def leaves() -> list[Example]:
    return list(examples(Sample(train=IMAGES_AT_ONCE + 3, val=0, test=0, size=(48, 32))))


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory, leaves: list[Example]) -> Path:
    """An untrained network's of two targets: its answers are as good as any to count with."""
    heads = {"disease": 5, "state": 2}
    network = ResidualCNN(heads, [0.5] * 3, [0.25] * 3, width=8, seed=4).eval()
    path = tmp_path_factory.mktemp("robustness") / "model.onnx"
    like = CODEC.encode([CODEC.decode(leaves[0].payload)])
    split = EncodedSplit({name: ArrayRows.of(array) for name, array in like.items()}, {})
    export(network, dict.fromkeys(heads, 1.0), path, split)
    return path


@pytest.fixture(scope="module")
def accuracies(graph: Path, leaves: list[Example]) -> CorruptionRobustness:
    return robustness(graph, leaves)


def robustness(graph: Path, leaves: list[Example], batch_size: int = 64) -> CorruptionRobustness:
    return measure_robustness(
        graph, CODEC, leaves, LABELS, seed=5, batch_size=batch_size, progress=Progress()
    )


def test_each_rung_is_the_accuracy_on_those_files(
    graph: Path, leaves: list[Example], accuracies: CorruptionRobustness
) -> None:
    model = Model(CODEC, LABELS, OnnxRuntime(graph.read_bytes()))
    for kind, strength in (("noise", 0), ("noise", 1), ("jpeg", 4), ("rotation", 5)):
        files = [corrupt_image(leaf.payload, kind, strength, 5) for leaf in leaves]
        answers = model.predict([model.decode(file) for file in files])
        right = [
            answer.label == leaf.labels["disease"]
            for (answer,), leaf in zip(answers, leaves, strict=True)
        ]
        row = (accuracies.untouched["disease"], *accuracies.kinds["disease"][kind])
        assert row[strength] == pytest.approx(np.mean(right))
    assert accuracies.examples == len(leaves)
    assert set(accuracies.kinds["disease"]) == set(KINDS)


def test_the_size_of_a_batch_changes_nothing(
    graph: Path, leaves: list[Example], accuracies: CorruptionRobustness
) -> None:
    assert robustness(graph, leaves, 7) == accuracies


def test_several_targets_are_counted_apart(graph: Path, leaves: list[Example]) -> None:
    named = [
        replace(leaf, labels={**leaf.labels, "state": str(leaf.labels["disease"] != "healthy")})
        for leaf in leaves
    ]
    labels = LABELS | {"state": ("False", "True")}
    accuracies = measure_robustness(
        graph, CODEC, named, labels, seed=0, batch_size=64, progress=Progress()
    )
    body = accuracies.to_json()["targets"]
    assert set(body) == {"disease", "state"}
    assert body["disease"] != body["state"]
    assert all(len(row) == len(STRENGTHS) for row in body["state"]["kinds"].values())


def test_a_image_of_the_curves(accuracies: CorruptionRobustness) -> None:
    drawn = corruptions_figure(accuracies, "disease")
    with Image.open(BytesIO(drawn)) as opened:
        opened.load()
        assert min(opened.size) > 300
    assert drawn == corruptions_figure(accuracies, "disease")


def test_a_bundle_tells_of_it(tmp_path: Path) -> None:
    words = [*TINY, "evaluate.images=9", "export.precision=int8"]
    stages: list[str] = []
    workspace = Workspace(tmp_path / "home", "coffee", actor="ada")
    try:
        seed = workspace.experiment(*words)["seed"]
        imported = workspace.snapshot(*words)
        snapshot = workspace.snapshots.open(imported.snapshot.id)
        drawn = draw_examples(snapshot, 9, seed)
        assert len(drawn) == 9
        assert {row.split for row in drawn} == {"val"}
        assert drawn == draw_examples(snapshot, 9, seed) != draw_examples(snapshot, 9, 99)
        assert len(draw_examples(snapshot, 1000, 0)) == snapshot.count("val")
        finished = workspace.train(
            *words, snapshot=imported.snapshot, progress=Progress(stage=stages.append)
        )
        bundle = workspace.bundles.open(finished.version.bundle).path
    finally:
        workspace.close()
    assert "corrupt" in stages
    evaluation = json.loads((bundle / "evaluation.json").read_bytes())
    assert evaluation["corruptions"]["examples"] == 9
    assert set(evaluation["corruptions"]["targets"]["disease"]["kinds"]) == set(KINDS)
    assert evaluation["int8"]["calibrated"] == 60
    card = (bundle / "card.md").read_text()
    assert "9 validation examples, corrupted" in card
    assert "| rotation |" in card
    assert "60 training examples set its ranges" in card
    assert (bundle / "corruptions-disease.png").is_file()


def test_a_number_of_images_that_cannot_be_is_refused() -> None:
    assert EvaluatePlan().images == 0
    with pytest.raises(UsageError, match="images=-1"):
        EvaluatePlan(images=-1)
    with pytest.raises(UsageError, match=r"evaluate\.images"):
        read_experiment(resolve(Coffee.conf, [*TINY, "evaluate.images=some"]))
