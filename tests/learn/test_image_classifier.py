"""Pretrained image classifiers, of random weights: the whole path, and no accuracy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    ConvNextConfig,
    ConvNextForImageClassification,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTModel,
)

from tidemill.domain.errors import DataError, UsageError
from tidemill.learn.arrays import EncodedSplit
from tidemill.learn.digest import weights_digest
from tidemill.learn.export import export, parity
from tidemill.learn.fit import FitResult, fit
from tidemill.learn.image_classifier import ImageClassifier
from tidemill.learn.inference import infer
from tidemill.learn.network import Tensors
from tidemill.learn.plan import TrainPlan
from tidemill.learn.rows import ArrayRows

TARGETS = {"plant": 2, "disease": 3}
MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.3, 0.2]
VIT: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 32,
    "patch_size": 8,
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Classifiers and an encoder as transformers keep them."""
    folder = tmp_path_factory.mktemp("models")
    sizes: dict[str, Any] = {"hidden_sizes": [8, 16], "depths": [1, 1]}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        models = {
            "resnet": ResNetForImageClassification(
                ResNetConfig(embedding_size=8, layer_type="basic", **sizes)
            ),
            "convnext": ConvNextForImageClassification(
                ConvNextConfig(num_stages=2, patch_size=4, image_size=32, **sizes)
            ),
            "vit": ViTForImageClassification(ViTConfig(**VIT)),
            "vit-pooler": ViTModel(ViTConfig(**VIT)),
            "bert": BertModel(
                BertConfig(
                    vocab_size=9,
                    hidden_size=8,
                    num_hidden_layers=1,
                    num_attention_heads=1,
                    intermediate_size=8,
                )
            ),
        }
    for name, model in models.items():
        model.save_pretrained(folder / name)
    return {name: folder / name for name in models}


@pytest.fixture(scope="module")
def leaves() -> EncodedSplit:
    """Reddish and bluish noise, told apart by `plant`; `disease` is how bright it is."""
    random = np.random.default_rng(0)
    plant, disease = np.arange(60) % 2, np.arange(60) % 3
    pixels = random.integers(0, 60, (60, 32, 32, 3))
    pixels[plant == 0, :, :, 0] += 90
    pixels[plant == 1, :, :, 2] += 90
    pixels += disease[:, None, None, None] * 50
    arrays = {"image": ArrayRows.of(pixels.astype(np.uint8))}
    return EncodedSplit(arrays, {"plant": plant, "disease": disease})


def network(path: Path, size: tuple[int, int] = (32, 32), **choices: bool) -> ImageClassifier:
    return ImageClassifier.pretrained(path, TARGETS, MEAN, STD, size=size, seed=1, **choices)


def fitted(model: ImageClassifier, split: EncodedSplit, epochs: int = 2) -> FitResult:
    plan = TrainPlan(epochs=epochs, batch_size=20, learning_rate=1e-2, averaging=0.5, threads=1)
    return fit(model, split, split, plan, seed=0)


@pytest.mark.parametrize(
    "name",
    [
        *("resnet", "vit"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("convnext", "vit-pooler")),
    ],
)
def test_it_is_trained_and_exported_with_a_head_per_target(
    saved: dict[str, Path], leaves: EncodedSplit, name: str, tmp_path: Path
) -> None:
    trained = fitted(network(saved[name]), leaves).network
    temperatures = {"plant": 1.3, "disease": 0.7}
    export(trained, temperatures, tmp_path / "model.onnx", leaves)
    gap = parity(trained, temperatures, tmp_path / "model.onnx", leaves)
    assert gap.difference < 1e-5
    with torch.inference_mode():
        outputs = trained(torch.from_numpy(leaves.take(np.arange(3))["image"]))
    shapes = {key: tuple(value.shape) for key, value in outputs.items()}
    assert shapes == {"embedding": (3, 16), "logits_plant": (3, 2), "logits_disease": (3, 3)}


def test_it_learns(saved: dict[str, Path], leaves: EncodedSplit) -> None:
    last = fitted(network(saved["resnet"]), leaves, epochs=8).history[-1]
    assert last.accuracy["plant"] > 0.9


@pytest.mark.parametrize("name", ["resnet", "vit"])
def test_a_frozen_encoder_stays_as_it_is(
    saved: dict[str, Path], leaves: EncodedSplit, name: str
) -> None:
    def digests(model: torch.nn.Module) -> tuple[str, str]:
        assert isinstance(model, ImageClassifier)
        return weights_digest(model.encoder.state_dict()), weights_digest(model.heads.state_dict())

    fresh = network(saved[name], frozen=True)
    encoder, heads = digests(fresh)
    after = digests(fitted(fresh, leaves).network)
    # Statistics of batch normalisation are part of the state.
    assert after[0] == encoder
    assert after[1] != heads
    moved = digests(fitted(network(saved[name]), leaves).network)
    assert moved[0] != encoder


def test_training_varies_images_and_nothing_else_does(
    saved: dict[str, Path], leaves: EncodedSplit
) -> None:
    model = network(saved["resnet"]).eval()
    arrays = {"image": torch.from_numpy(leaves.take(np.arange(8))["image"])}
    plan = TrainPlan(epochs=1, jitter=0.2, warp=0.2)
    varied = model.varied(arrays, torch.Generator().manual_seed(0), plan)
    assert not torch.equal(varied["image"], arrays["image"])
    still = TrainPlan(epochs=1, jitter=0, warp=0, flip=False)
    same = model.varied(arrays, torch.Generator().manual_seed(0), still)
    assert torch.equal(same["image"], arrays["image"])
    with torch.inference_mode():
        assert torch.equal(model(**arrays)["embedding"], model(**arrays)["embedding"])


class Watched(ImageClassifier):
    """Tells which images were varied; of a copy as of the original."""

    varied_values: ClassVar[list[set[int]]] = []

    def varied(self, arrays: Tensors, generator: torch.Generator, plan: TrainPlan) -> Tensors:
        self.varied_values.append(set(arrays["image"].flatten().tolist()))
        return super().varied(arrays, generator, plan)


def test_validation_and_evaluation_see_images_as_they_are(saved: dict[str, Path]) -> None:
    def split(bright: int, n: int) -> EncodedSplit:
        pixels = np.full((n, 32, 32, 3), bright, np.uint8)
        labels = {target: np.arange(n) % size for target, size in TARGETS.items()}
        return EncodedSplit({"image": ArrayRows.of(pixels)}, labels)

    watched = Watched.pretrained(saved["resnet"], TARGETS, MEAN, STD, size=(32, 32), dropout=0.0)
    train, val = split(50, 40), split(200, 12)
    plan = TrainPlan(epochs=2, batch_size=20, averaging=0.0, jitter=0.9, warp=0.9, threads=1)
    done = fit(watched, train, val, plan, seed=0)
    infer(done.network, val)
    assert Watched.varied_values == [{50}] * 4


def test_the_seed_decides_the_heads_alone(saved: dict[str, Path]) -> None:
    state = torch.get_rng_state()
    one, same = network(saved["vit"]), network(saved["vit"])
    other = ImageClassifier.pretrained(saved["vit"], TARGETS, MEAN, STD, size=(32, 32), seed=2)
    digests = [weights_digest(model.state_dict()) for model in (one, same, other)]
    assert digests[0] == digests[1] != digests[2]
    assert weights_digest(one.encoder.state_dict()) == weights_digest(other.encoder.state_dict())
    assert torch.equal(torch.get_rng_state(), state)


def test_a_pooler_that_was_never_trained_has_no_say(saved: dict[str, Path]) -> None:
    assert network(saved["vit"]).encoder.pooler is None
    assert network(saved["vit-pooler"]).encoder.pooler is not None


def test_a_size_that_it_cannot_take_is_refused_at_once(saved: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="takes no images of 48 x 32") as caught:
        network(saved["vit"], (48, 32))
    assert "model.size" in caught.value.hint
    assert network(saved["resnet"], (48, 64)).targets == TARGETS


def test_an_encoder_of_something_else_is_refused(saved: dict[str, Path]) -> None:
    with pytest.raises(DataError, match="no encoder of images, but a bert"):
        network(saved["bert"])


def test_a_folder_without_an_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no encoder"):
        network(tmp_path)


def test_code_beside_the_weights_is_never_run(tmp_path: Path) -> None:
    config = {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModel": "own.Own"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "own.py").write_text("raise SystemExit('was run')")
    with pytest.raises(DataError, match="holds no encoder"):
        network(tmp_path)


def test_weights_that_are_not_all_there_are_refused(saved: dict[str, Path], tmp_path: Path) -> None:
    model = ViTForImageClassification.from_pretrained(saved["vit"])
    weights = {k: v for k, v in model.state_dict().items() if "patch_embeddings" not in k}
    model.save_pretrained(tmp_path, state_dict=weights)
    with pytest.raises(DataError, match=r"lack .*patch_embeddings"):
        network(tmp_path)
