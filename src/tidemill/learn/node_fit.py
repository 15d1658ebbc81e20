"""Fit a network to the labelled nodes of one graph."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import Adam

from tidemill.domain.errors import UsageError
from tidemill.learn.arrays import Indices
from tidemill.learn.calibrate import fit_temperature
from tidemill.learn.determinism import deterministic
from tidemill.learn.digest import weights_digest
from tidemill.learn.evaluate import evaluate
from tidemill.learn.fit import EpochScores, FitResult, FitStep
from tidemill.learn.network import Network, logits_of
from tidemill.learn.node_plan import NodePlan
from tidemill.learn.node_split import NodeGraph, NodeSplit
from tidemill.predictor import softmax

TOLD = 20
"""The number of epochs between reports; most epochs take less than a tenth of a second."""


def fit_nodes(
    network: Network,
    graph: NodeGraph,
    plan: NodePlan,
    *,
    seed: int,
    progress: Callable[[FitStep], None] | None = None,
) -> FitResult:
    """Train a copy of `network` and return it with the weights of its best epoch.

    Every epoch is one step over the whole graph, of which the labels of `train` are known. Best
    is, as for rows, the least validation NLL at its own temperature, the earlier epoch on a tie.
    Progress hears of every epoch, and of its scores each TOLD epochs. The same network, graph,
    plan, seed and machine give the same weights bit for bit; no global state is left changed.
    Raises UsageError when the training diverges.
    """
    copy = deepcopy(network)
    train, val = graph.splits["train"], graph.splits["val"]
    with deterministic(seed, plan.threads):
        optimizer = Adam(copy.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay)
        # Sparse if possible: a paper has few of all words.
        arrays = {name: torch.from_numpy(array) for name, array in graph.arrays.items()}
        arrays["features"] = arrays["features"].to_sparse()
        learnt = {**arrays, "query": torch.from_numpy(train.places)}
        truth = {name: torch.from_numpy(column) for name, column in train.labels.items()}
        history: list[EpochScores] = []
        best: dict[str, Tensor] = {}
        best_epoch, start = 0, time.monotonic()
        for epoch in range(1, plan.epochs + 1):
            began = time.monotonic()
            loss = _step(copy, optimizer, learnt, truth)
            scores = _scores(copy, arrays, val, epoch, loss, began)
            if scores.nll < min((row.nll for row in history), default=float("inf")):
                best_epoch, best = epoch, deepcopy(copy.state_dict())
            history.append(scores)
            over = plan.max_seconds is not None and time.monotonic() - start >= plan.max_seconds
            last = over or epoch in (plan.epochs, best_epoch + plan.patience)
            if progress is not None:
                shown = scores if last or epoch % TOLD == 0 else None
                progress(FitStep(epoch, plan.epochs, epoch, plan.epochs, loss, shown))
            if last:
                break
    copy.load_state_dict(best)
    copy.eval()
    return FitResult(copy, tuple(history), best_epoch, weights_digest(best))


def _step(
    network: Network,
    optimizer: Adam,
    arrays: Mapping[str, Tensor],
    truth: Mapping[str, Tensor],
) -> float:
    network.train()
    optimizer.zero_grad()
    outputs = network(**arrays)
    losses = [
        functional.cross_entropy(outputs[logits_of(target)], column)
        for target, column in truth.items()
    ]
    loss = torch.stack(losses).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return float(loss.detach())


def _scores(
    network: Network,
    arrays: Mapping[str, Tensor],
    val: NodeSplit,
    epoch: int,
    loss: float,
    began: float,
) -> EpochScores:
    network.eval()
    with torch.inference_mode():
        outputs = network(**{**arrays, "query": torch.from_numpy(val.places)})
    scores = {}
    for target, size in network.targets.items():
        logits = outputs[logits_of(target)].numpy()
        if not np.isfinite(logits).all():
            raise UsageError(
                f"The training diverged in epoch {epoch}.", hint="Lower the learning rate."
            )
        column: Indices = val.labels[target]
        scaled = softmax(logits / fit_temperature(logits, column))
        scores[target] = evaluate(scaled, column, [str(at) for at in range(size)])
    return EpochScores(
        epoch=epoch,
        loss=loss,
        nll=sum(row.nll for row in scores.values()),
        accuracy={target: row.accuracy for target, row in scores.items()},
        macro_f1={target: row.macro_f1 for target, row in scores.items()},
        seconds=time.monotonic() - began,
    )
