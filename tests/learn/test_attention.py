"""Graph attention: what it answers of a node, and its exported graph on strange graphs."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from tidemill.domain.errors import DataError
from tidemill.learn.attention import HOMOPHILY, AttentionNetwork, Kind
from tidemill.learn.digest import weights_digest
from tidemill.learn.export import open_graph
from tidemill.learn.node_export import export_nodes, infer_nodes, parity_nodes
from tidemill.learn.parity_graphs import SIZES, graph, parity_graphs

# One worker makes what these tests share.
pytestmark = pytest.mark.xdist_group("attention")
FEATURES = 40
TARGETS = {"keys": 3, "topic": 2}
TEMPERATURES = {"keys": 1.7, "topic": 0.6}


def network(kind: Kind = "gat", seed: int = 0) -> AttentionNetwork:
    net = AttentionNetwork(TARGETS, features=FEATURES, kind=kind, heads=2, width=4, seed=seed)
    return net.eval()


def query_all(network: AttentionNetwork, edges: list[list[int]], nodes: int) -> dict[str, Tensor]:
    """The answers to all nodes of a graph with these edges in one direction."""
    loops = [[at, at] for at in range(nodes)]
    features = torch.from_numpy(graph(nodes, FEATURES, 0)["features"])
    both = torch.tensor([*edges, *[[end, start] for start, end in edges], *loops])
    with torch.inference_mode():
        outputs: dict[str, Tensor] = network(features, both, torch.arange(nodes))
    return outputs


@pytest.mark.parametrize("kind", ["gat", "gatv2"])
def test_one_row_for_each_node_that_is_asked_for_in_that_order(kind: Kind) -> None:
    net, arrays = network(kind), graph(20, FEATURES, 2)
    outputs = infer_nodes(net, arrays | {"query": np.array([7, 3, 7])})
    assert {name: rows.shape for name, rows in outputs.items()} == {
        "embedding": (3, 8),
        "logits_keys": (3, 3),
        "logits_topic": (3, 2),
        HOMOPHILY: (3,),
    }
    whole = infer_nodes(net, arrays | {"query": np.arange(20)})
    for name, rows in outputs.items():
        np.testing.assert_array_equal(rows, whole[name][[7, 3, 7]])


def test_the_two_kinds_are_two() -> None:
    arrays = graph(20, FEATURES, 2)
    first, second = (infer_nodes(network(kind), arrays) for kind in ("gat", "gatv2"))
    assert np.abs(first["logits_keys"] - second["logits_keys"]).max() > 0.01


def test_the_seed_decides_the_initial_weights_and_nothing_else() -> None:
    state = torch.get_rng_state()
    first, second, other = (weights_digest(network(seed=s).state_dict()) for s in (0, 0, 1))
    assert first == second != other
    assert torch.equal(torch.get_rng_state(), state)


def test_a_link_counts_and_one_three_steps_away_does_not() -> None:
    net = network()
    chain = query_all(net, [[0, 1], [1, 2], [2, 3]], 5)
    longer = query_all(net, [[0, 1], [1, 2], [2, 3], [3, 4]], 5)
    shorter = query_all(net, [[0, 1], [2, 3]], 5)
    torch.testing.assert_close(chain["logits_keys"][0], longer["logits_keys"][0])
    assert not torch.allclose(chain["logits_keys"][0], shorter["logits_keys"][0])


def test_homophily_is_the_mean_over_neighbours_without_the_node_itself() -> None:
    outputs = query_all(network(), [[0, 1], [0, 2]], 4)
    chances = [outputs[f"logits_{name}"].softmax(dim=1) for name in TARGETS]
    for node, others in {0: [1, 2], 1: [0], 2: [0], 3: [3]}.items():
        alike = [float(row[node] @ row[other]) for row in chances for other in others]
        assert float(outputs[HOMOPHILY][node]) == pytest.approx(sum(alike) / len(alike), abs=1e-6)


def test_sparse_features_are_answered_as_dense_ones_and_forgotten_as_often() -> None:
    net, arrays = network(), graph(400, FEATURES, 2)
    features, edges = torch.from_numpy(arrays["features"]), torch.from_numpy(arrays["edges"])
    sparse, every = features.to_sparse().coalesce(), torch.arange(400)
    dense = net(features, edges, every)
    torch.testing.assert_close(net(sparse, edges, every), dense)
    net.train()
    torch.manual_seed(0)
    sparse_kept = net._dropped(sparse).to_dense()
    there = features > 0
    assert (sparse_kept[~there] == 0).all()
    torch.testing.assert_close(
        sparse_kept[sparse_kept > 0], (features / (1 - net.dropout))[sparse_kept > 0]
    )
    share = float((sparse_kept[there] > 0).float().mean())
    assert share == pytest.approx(1 - net.dropout, abs=4 * math.sqrt(0.24 / int(there.sum())))


@pytest.fixture(scope="module", params=["gat", pytest.param("gatv2", marks=pytest.mark.slow)])
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[AttentionNetwork, Path]:
    net, path = network(request.param), tmp_path_factory.mktemp(request.param) / "model.onnx"
    export_nodes(net, TEMPERATURES, path, FEATURES)
    return net, path


def test_the_file_answers_as_the_network_on_every_strange_graph(
    exported: tuple[AttentionNetwork, Path],
) -> None:
    net, path = exported
    graphs = dict(parity_graphs(FEATURES))
    proved = parity_nodes(net, TEMPERATURES, path, graphs.items())
    assert proved.difference < 1e-5
    assert proved.batches[: len(SIZES)] == SIZES
    # They are what their names say.
    loops = {name: (rows["edges"][:, 0] == rows["edges"][:, 1]) for name, rows in graphs.items()}
    assert all(int(loop.sum()) == len(graphs[name]["features"]) for name, loop in loops.items())
    assert loops["no edges"].all()
    assert not loops["isolated nodes"].all()
    linked = graphs["isolated nodes"]["edges"][~loops["isolated nodes"]]
    assert len(set(linked.flatten().tolist())) < 30
    assert (graphs["nodes without features"]["features"].sum(axis=1) == 0).any()


def test_the_file_answers_alike_each_time_and_in_any_number_of_threads(
    exported: tuple[AttentionNetwork, Path],
) -> None:
    _, path = exported
    arrays = graph(1_000, FEATURES, 5)
    runs = []
    for threads in (1, 2, 4):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        runs += [session.run(None, arrays) for _ in range(15)]
    for outputs in runs[1:]:
        for one, other in zip(runs[0], outputs, strict=True):
            # Products of matrices round otherwise in several threads; nothing else may differ.
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def test_every_output_and_axis_of_the_file_has_its_name(
    exported: tuple[AttentionNetwork, Path],
) -> None:
    net, path = exported
    session, arrays = open_graph(path), graph(11, FEATURES, 2)
    assert {one.name: one.shape for one in session.get_inputs()} == {
        "features": ["nodes", FEATURES],
        "edges": ["edges", 2],
        "query": ["query"],
    }
    answered = dict(
        zip([one.name for one in session.get_outputs()], session.run(None, arrays), strict=True)
    )
    expected = infer_nodes(net, arrays)
    assert set(answered) == set(expected)
    for target, temperature in TEMPERATURES.items():
        answered[f"logits_{target}"] *= temperature
    for name, rows in expected.items():
        np.testing.assert_allclose(answered[name], rows, atol=1e-5)


def test_a_file_of_other_weights_is_refused_by_the_name_of_the_graph(
    exported: tuple[AttentionNetwork, Path], tmp_path: Path
) -> None:
    net, path = exported
    loaded = onnx.load(path)
    bias = next(t for t in loaded.graph.initializer if t.name.endswith("heads.1.bias"))
    planted = onnx.numpy_helper.to_array(bias) + np.array([0.05, 0.0], np.float32)
    bias.CopyFrom(onnx.numpy_helper.from_array(planted, bias.name))
    onnx.save(loaded, tmp_path / "planted.onnx")
    with pytest.raises(DataError, match="'topic' on 1 nodes"):
        parity_nodes(net, TEMPERATURES, tmp_path / "planted.onnx", parity_graphs(FEATURES))
