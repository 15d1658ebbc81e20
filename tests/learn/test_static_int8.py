"""Convolutions in whole numbers: the same bytes again, and answers that need not be alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from tidemill.adapters.onnx import OnnxRuntime
from tidemill.learn.arrays import EncodedSplit
from tidemill.learn.export import export, run_graph
from tidemill.learn.fit import fit
from tidemill.learn.network import EMBEDDING, Network, logits_of
from tidemill.learn.plan import TrainPlan
from tidemill.learn.quantise import Quantised, quantise
from tidemill.learn.residual import ResidualCNN
from tidemill.learn.static_int8 import CALIBRATION, convolutional

# One worker makes what these tests share.
pytestmark = pytest.mark.xdist_group("static int8")
Split = Callable[[int, int], EncodedSplit]


@pytest.fixture(scope="module")
def network(untrained: Callable[[], ResidualCNN], split: Split, plan: TrainPlan) -> Network:
    """A fitted network, which no test changes."""
    return fit(untrained(), split(60, 0), split(30, 1), plan, seed=0).network.eval()


@pytest.fixture(scope="module")
def original(network: Network, split: Split, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its graph; no test changes this file."""
    path = tmp_path_factory.mktemp("original") / "model.onnx"
    export(network, {"shade": 1.3}, path, split(30, 1))
    return path


@pytest.fixture
def graph(original: Path, tmp_path: Path) -> Path:
    """A copy of that graph."""
    return Path(shutil.copy(original, tmp_path))


def test_it_costs_little_and_saves_much(network: Network, graph: Path, split: Split) -> None:
    quantised = quantise(network, graph, split(60, 0), split(30, 1))
    assert quantised.bytes_after == graph.stat().st_size < 0.5 * quantised.bytes_before
    assert quantised.agreement >= 0.9
    assert quantised.difference < 0.2
    assert (quantised.calibrated, quantised.batch_size) == (60, 64)


def test_an_answer_does_not_depend_on_the_batch(
    network: Network, graph: Path, split: Split
) -> None:
    quantise(network, graph, split(60, 0), split(30, 1))
    unseen = split(130, 2)
    alone = run_graph(graph, unseen, batch_size=1)
    for size in (2, 7, 64, 130):
        together = run_graph(graph, unseen, batch_size=size)
        assert all(np.array_equal(together[name], alone[name]) for name in alone), size
    assert not OnnxRuntime(graph.read_bytes()).alone


def test_the_same_examples_give_the_same_bytes(
    network: Network, graph: Path, split: Split, tmp_path: Path
) -> None:
    again = tmp_path / "again.onnx"
    shutil.copy(graph, again)
    quantise(network, graph, split(60, 0), split(30, 1))
    quantise(network, again, split(60, 0), split(30, 1))
    assert again.read_bytes() == graph.read_bytes()


def test_images_go_in_as_they_are_and_logits_come_out_unrounded(
    network: Network, graph: Path, split: Split
) -> None:
    quantise(network, graph, split(60, 0), split(30, 1))
    model = onnx.load(graph)
    (graph_input,) = model.graph.input
    assert graph_input.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    kinds = {tensor.data_type for tensor in model.graph.initializer if len(tensor.dims) == 4}
    assert kinds == {onnx.TensorProto.INT8, onnx.TensorProto.FLOAT}  # the normalisation is float
    made_by = {name: node.op_type for node in model.graph.node for name in node.output}
    assert made_by["logits_shade"] == "Div"
    weights = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT8]
    largest = max(np.abs(onnx.numpy_helper.to_array(t).astype(int)).max() for t in weights)
    assert largest <= 64  # two products fit into 16 bits on every processor


def test_calibration_takes_a_part_of_a_large_split(
    network: Network, graph: Path, split: Split
) -> None:
    assert quantise(network, graph, split(300, 0), split(30, 1)).calibrated == CALIBRATION


class Attentive(Network):
    """A convolution that cuts patches and a matrix that does the rest, as a transformer does."""

    def __init__(self) -> None:
        super().__init__()
        self.targets = {"shade": 3}
        self.cut = nn.Conv2d(3, 16, 16, stride=16)
        self.mix = nn.Linear(16, 2048)
        self.back = nn.Linear(2048, 3)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        patches = self.cut(image.permute(0, 3, 1, 2).float() / 255).flatten(2).transpose(1, 2)
        embedding = torch.relu(self.mix(patches)).mean(dim=1)
        return {EMBEDDING: embedding, logits_of("shade"): self.back(embedding)}


def test_a_network_of_matrices_is_quantised_as_its_activations_come(
    split: Split, tmp_path: Path
) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Attentive().eval()
    assert not convolutional(network)
    path = tmp_path / "model.onnx"
    export(network, {"shade": 1.0}, path, split(8, 0))
    quantised = quantise(network, path, split(8, 0), split(8, 1))
    assert (quantised.calibrated, quantised.batch_size) == (0, 1)
    assert quantised.bytes_after < quantised.bytes_before
    assert OnnxRuntime(path.read_bytes()).alone


def test_a_residual_network_is_made_of_convolutions(network: ResidualCNN) -> None:
    assert convolutional(network)
    assert Quantised(1.0, 0.0, 2, 1).batch_size == 1
