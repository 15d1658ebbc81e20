"""Fitting a network to the labelled nodes of one graph."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.learn.node_graphs import FEATURES, codec, papers, take_snapshot
from tidemill.domain.errors import UsageError
from tidemill.learn.attention import AttentionNetwork
from tidemill.learn.calibrate import fit_temperature
from tidemill.learn.digest import weights_digest
from tidemill.learn.evaluate import evaluate
from tidemill.learn.fit import FitStep
from tidemill.learn.node_export import infer_nodes
from tidemill.learn.node_fit import TOLD, fit_nodes
from tidemill.learn.node_plan import NodePlan
from tidemill.learn.node_split import NodeGraph, read_graph
from tidemill.predictor import softmax

PLAN = NodePlan(epochs=30, learning_rate=0.02, threads=1)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> NodeGraph:
    return read_graph(take_snapshot(tmp_path_factory.mktemp("nodes"), papers()), codec())


@pytest.fixture
def network() -> AttentionNetwork:
    return AttentionNetwork({"topic": 3}, features=FEATURES, heads=2, width=4, dropout=0.3)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_seed_alone_decides_the_weights(
    network: AttentionNetwork, graph: NodeGraph, threads: int
) -> None:
    before, state = weights_digest(network.state_dict()), torch.get_rng_state()
    plan = replace(PLAN, epochs=5, threads=threads)
    first = fit_nodes(network, graph, plan, seed=0)
    second = fit_nodes(network, graph, plan, seed=0)
    other = fit_nodes(network, graph, plan, seed=1)
    assert first.weights == second.weights == weights_digest(first.network.state_dict())
    assert first.weights != other.weights
    assert weights_digest(network.state_dict()) == before
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_best_epochs_weights_come_back(network: AttentionNetwork, graph: NodeGraph) -> None:
    fitted = fit_nodes(network, graph, replace(PLAN, learning_rate=0.2), seed=0)
    best = min(fitted.history, key=lambda row: row.nll)
    assert best.epoch == fitted.best_epoch
    assert best.accuracy["topic"] > 0.6
    val = graph.splits["val"]
    logits = infer_nodes(fitted.network, graph.arrays)["logits_topic"][val.places]
    scaled = logits / fit_temperature(logits, val.labels["topic"])
    scores = evaluate(softmax(scaled), val.labels["topic"], ["0", "1", "2"])
    assert scores.nll == pytest.approx(best.nll, abs=1e-5)
    assert scores.accuracy == best.accuracy["topic"]
    assert not fitted.network.training


def test_labels_of_nodes_that_are_not_learnt_from_change_nothing(
    network: AttentionNetwork, graph: NodeGraph
) -> None:
    test = graph.splits["test"]
    turned = {name: (column + 1) % 3 for name, column in test.labels.items()}
    other = replace(graph, splits={**graph.splits, "test": replace(test, labels=turned)})
    assert not np.array_equal(turned["topic"], test.labels["topic"])
    plan = replace(PLAN, epochs=3)
    first, second = (fit_nodes(network, one, plan, seed=0) for one in (graph, other))
    assert first.weights == second.weights


def test_it_ends_when_patience_does(network: AttentionNetwork, graph: NodeGraph) -> None:
    plan = replace(PLAN, epochs=200, patience=5, learning_rate=0.2)
    fitted = fit_nodes(network, graph, plan, seed=0)
    assert len(fitted.history) == fitted.best_epoch + 5 < 200


def test_it_ends_when_the_time_is_up(network: AttentionNetwork, graph: NodeGraph) -> None:
    short = replace(PLAN, epochs=50, max_seconds=1e-6)
    assert len(fit_nodes(network, graph, short, seed=0).history) == 1


def test_progress_hears_of_every_epoch_and_of_some_scores(
    network: AttentionNetwork, graph: NodeGraph
) -> None:
    steps: list[FitStep] = []
    plan = replace(PLAN, epochs=TOLD + 3, patience=100)
    fit_nodes(network, graph, plan, seed=0, progress=steps.append)
    assert [step.step for step in steps] == list(range(1, TOLD + 4))
    assert {step.steps for step in steps} == {TOLD + 3}
    assert [step.epoch for step in steps if step.scores] == [TOLD, TOLD + 3]


def test_divergence_is_said(network: AttentionNetwork, graph: NodeGraph) -> None:
    with pytest.raises(UsageError, match="diverged in epoch"):
        fit_nodes(network, graph, replace(PLAN, learning_rate=1e30), seed=0)
