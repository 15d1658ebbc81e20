from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from tests.operator_table import BUILD, MODULE, share_table
from tidemill.domain.errors import DataError
from tidemill.learn.arrays import EncodedSplit
from tidemill.learn.export import export, parity
from tidemill.learn.inference import infer
from tidemill.learn.residual import ResidualCNN
from tidemill.learn.rows import ArrayRows

# One worker makes what these tests share.
pytestmark = pytest.mark.xdist_group("export")
SIZE = (32, 48)
TEMPERATURES = {"disease": 1.7, "plant": 0.6}


@pytest.fixture(scope="module")
def network() -> ResidualCNN:
    return ResidualCNN({"disease": 5, "plant": 2}, [0.5] * 3, [0.2] * 3, width=8).eval()


@pytest.fixture(scope="module")
def images() -> EncodedSplit:
    pixels = np.random.default_rng(0).integers(0, 256, (70, *SIZE, 3), np.uint8)
    return EncodedSplit({"image": ArrayRows.of(pixels)}, {})


@pytest.fixture(scope="module")
def model(
    network: ResidualCNN, images: EncodedSplit, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    export(network, TEMPERATURES, path, images)
    return path


def test_the_file_answers_as_the_network_at_every_batch_size(
    network: ResidualCNN, model: Path, images: EncodedSplit
) -> None:
    gap = parity(network, TEMPERATURES, model, images)
    assert gap.difference < 1e-5
    assert (gap.examples, gap.batches) == (64, (1, 2, 7, 64))


def test_names_types_and_temperatures(
    network: ResidualCNN, model: Path, images: EncodedSplit
) -> None:
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    (graph_input,) = session.get_inputs()
    assert (graph_input.name, graph_input.type, graph_input.shape) == (
        "image",
        "tensor(uint8)",
        ["batch", 32, 48, 3],
    )
    outputs = {output.name: output.shape for output in session.get_outputs()}
    assert outputs == {
        "logits_disease": ["batch", 5],
        "logits_plant": ["batch", 2],
        "embedding": ["batch", 32],
    }
    expected = infer(network, images.first(3))
    answered = dict(
        zip(outputs, session.run(list(outputs), images.take(np.arange(3))), strict=True)
    )
    np.testing.assert_allclose(answered["embedding"], expected["embedding"], atol=1e-5)
    for target, temperature in TEMPERATURES.items():
        name = f"logits_{target}"
        np.testing.assert_allclose(answered[name] * temperature, expected[name], atol=1e-5)


def test_one_file_that_tells_nothing_of_this_machine(model: Path) -> None:
    assert list(model.parent.iterdir()) == [model]
    content = model.read_bytes()
    for trace in (b".py", b"site-packages", b"File ", b"tidemill", str(Path.home()).encode()):
        assert trace not in content
    loaded = onnx.load(model)
    assert not any(tensor.external_data for tensor in loaded.graph.initializer)


@pytest.mark.slow
def test_the_same_weights_give_the_same_bytes_with_and_without_a_shared_table(
    network: ResidualCNN,
    model: Path,
    images: EncodedSplit,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared: Any = share_table()
    assert shared
    monkeypatch.setattr(sys.modules[MODULE].ONNXRegistry, BUILD, shared.__wrapped__)
    fresh = tmp_path / "fresh.onnx"
    export(network, TEMPERATURES, fresh, images)
    monkeypatch.undo()
    export(network, TEMPERATURES, tmp_path / "again.onnx", images)
    assert shared.cache_info().misses == 1
    assert fresh.read_bytes() == (tmp_path / "again.onnx").read_bytes() == model.read_bytes()


def test_a_planted_difference_is_caught(
    network: ResidualCNN, model: Path, images: EncodedSplit, tmp_path: Path
) -> None:
    planted = tmp_path / "planted.onnx"
    shutil.copy(model, planted)
    loaded = onnx.load(planted)
    bias = next(t for t in loaded.graph.initializer if t.name.endswith("heads.1.bias"))
    values = onnx.numpy_helper.to_array(bias) + np.array([0.02, 0.0], np.float32)
    bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))
    onnx.save(loaded, planted)
    with pytest.raises(DataError, match="'plant' at batch size 1"):
        parity(network, TEMPERATURES, planted, images)


def test_answers_that_are_not_numbers_are_caught(model: Path, images: EncodedSplit) -> None:
    broken = ResidualCNN({"disease": 5, "plant": 2}, [0.5] * 3, [0.2] * 3, width=8)
    with torch.no_grad():
        next(broken.heads.parameters()).fill_(float("nan"))
    with pytest.raises(DataError, match="disease"):
        parity(broken, TEMPERATURES, model, images)


class Adding(ResidualCNN):
    """Adds the rows of its answers up by an index."""

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        outputs = super().forward(image)
        rows = outputs["logits_plant"]
        outputs["logits_plant"] = rows.index_put((rows.argmax(dim=1),), rows, accumulate=True)
        return outputs


def test_what_threads_would_answer_otherwise_each_time_is_refused(
    images: EncodedSplit, tmp_path: Path
) -> None:
    network = Adding({"disease": 5, "plant": 2}, [0.5] * 3, [0.2] * 3, width=8).eval()
    path = tmp_path / "model.onnx"
    with pytest.raises(DataError, match="adds rows up by an index"):
        export(network, TEMPERATURES, path, images)
    assert not path.exists()


def test_a_missing_output_is_named(model: Path, images: EncodedSplit) -> None:
    wider = ResidualCNN({"disease": 5, "colour": 3}, [0.5] * 3, [0.2] * 3, width=8)
    with pytest.raises(DataError, match="logits_colour"):
        parity(wider, {"disease": 1.0, "colour": 1.0}, model, images)
