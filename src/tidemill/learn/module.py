"""The training step and the validation, as Lightning calls them."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Generator, Tensor
from torch.nn import functional
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from tidemill.learn.batches import Batch
from tidemill.learn.calibrate import fit_temperature
from tidemill.learn.evaluate import Scores, evaluate
from tidemill.learn.network import Network, logits_of
from tidemill.learn.plan import TrainPlan
from tidemill.predictor import softmax


class MovingAverage:
    """A second network whose weights follow the trained one's, smoothed over the last steps.

    The decay grows as (1 + step) / (10 + step) up to `decay`, so that the random initial weights
    are soon forgotten (Polyak averaging with the usual warm-up). Statistics of batch
    normalisation are averaged alike; counters are copied.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.network = deepcopy(network).eval()
        self._decay = decay
        self._step = 0

    @torch.no_grad()
    def follow(self, network: Network) -> None:
        """Move towards the weights after one more step of training."""
        self._step += 1
        decay = min(self._decay, (1 + self._step) / (10 + self._step))
        theirs = network.state_dict()
        for name, mine in self.network.state_dict().items():
            if mine.is_floating_point():
                mine.lerp_(theirs[name], 1 - decay)
            else:
                mine.copy_(theirs[name])


class TrainModule(pl.LightningModule):
    """Trains `network`, validates the moving average of its weights.

    The loss is the cross-entropy with label smoothing, summed over the targets. After each
    validation `scores` holds the figures per target, each at the temperature that suits it best, as
    the finished model will be scaled; it is empty when the network's answers are
    no longer finite. Training batches are varied with `generator` only.
    """

    def __init__(
        self, network: Network, plan: TrainPlan, *, steps: int, generator: Generator
    ) -> None:
        super().__init__()
        self.network = network
        self.average = MovingAverage(network, plan.averaging)
        self.scores: dict[str, Scores] = {}
        self._plan = plan
        self._steps = steps
        self._generator = generator
        self._outputs: list[tuple[dict[str, Tensor], dict[str, Tensor]]] = []

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        arrays, labels = batch
        plan = self._plan
        outputs = self.network(**self.network.varied(arrays, self._generator, plan))
        losses = [
            functional.cross_entropy(
                outputs[logits_of(target)], truth, label_smoothing=plan.label_smoothing
            )
            for target, truth in labels.items()
        ]
        return torch.stack(losses).sum()

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.average.follow(self.network)

    def on_validation_epoch_start(self) -> None:
        self._outputs.clear()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        arrays, labels = batch
        self._outputs.append((self.average.network(**arrays), labels))

    def on_validation_epoch_end(self) -> None:
        for target, size in self.network.targets.items():
            answered = [outputs[logits_of(target)] for outputs, _ in self._outputs]
            logits = torch.cat(answered).float().cpu().numpy()
            truth = torch.cat([labels[target] for _, labels in self._outputs]).cpu().numpy()
            if not np.isfinite(logits).all():
                self.scores.clear()
                return
            names = [str(position) for position in range(size)]
            scaled = logits / fit_temperature(logits, truth)
            self.scores[target] = evaluate(softmax(scaled), truth, names)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        plan = self._plan
        # Decay applies to matrices and kernels; a bias or a normalisation has no reason to be
        # small.
        weights = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        groups: list[dict[str, Any]] = [
            {"params": weights, "weight_decay": plan.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        optimizer = AdamW(groups, lr=plan.learning_rate)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self._schedule(optimizer), "interval": "step"},
        }

    def _schedule(self, optimizer: Optimizer) -> LRScheduler:
        if self._plan.schedule == "constant":
            return LambdaLR(optimizer, lambda _step: 1.0)
        # A rise of exactly one step is one that torch divides by.
        rising = self._plan.warmup * self._steps
        return OneCycleLR(
            optimizer,
            max_lr=self._plan.learning_rate,
            total_steps=self._steps,
            pct_start=self._plan.warmup if abs(rising - 1) > 1e-6 else 0.5 / self._steps,
            anneal_strategy="cos" if self._plan.schedule == "cosine" else "linear",
            div_factor=10,
            final_div_factor=100,
            cycle_momentum=False,
        )
