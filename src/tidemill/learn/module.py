"""The training step and the validation, as Lightning calls them."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Generator, Tensor
from torch.nn import functional
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR

from tidemill.learn.augment import augment
from tidemill.learn.average import MovingAverage
from tidemill.learn.batches import Batch
from tidemill.learn.evaluate import Scores, evaluate
from tidemill.learn.network import ImageNetwork, logits_of
from tidemill.learn.plan import TrainPlan
from tidemill.predictor import softmax


class TrainModule(pl.LightningModule):
    """Trains `network`, validates the moving average of its weights.

    The loss is the cross-entropy with label smoothing, summed over the targets. After each
    validation `scores` holds the figures per target; it is empty when the network's answers are
    no longer finite. Pictures are changed with `generator` only.
    """

    def __init__(
        self, network: ImageNetwork, plan: TrainPlan, *, steps: int, generator: Generator
    ) -> None:
        super().__init__()
        self.network = network
        self.average = MovingAverage(network, plan.averaging)
        self.scores: dict[str, Scores] = {}
        self._plan = plan
        self._steps = steps
        self._generator = generator
        self._seen: list[tuple[dict[str, Tensor], dict[str, Tensor]]] = []

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        images, labels = batch
        plan = self._plan
        images = augment(images, self._generator, jitter=plan.jitter, warp=plan.warp)
        outputs = self.network(images)
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
        self._seen.clear()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        images, labels = batch
        self._seen.append((self.average.network(images), labels))

    def on_validation_epoch_end(self) -> None:
        for target, size in self.network.targets.items():
            logits = torch.cat([outputs[logits_of(target)] for outputs, _ in self._seen]).numpy()
            truth = torch.cat([labels[target] for _, labels in self._seen]).numpy()
            if not np.isfinite(logits).all():
                self.scores.clear()
                return
            names = [str(position) for position in range(size)]
            self.scores[target] = evaluate(softmax(logits), truth, names)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        plan = self._plan
        # Decay pulls on matrices and kernels; a bias or a normalisation has no reason to be small.
        weights = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        groups: list[dict[str, Any]] = [
            {"params": weights, "weight_decay": plan.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        optimizer = AdamW(groups, lr=plan.learning_rate)
        schedule = OneCycleLR(
            optimizer,
            max_lr=plan.learning_rate,
            total_steps=self._steps,
            pct_start=plan.warmup,
            div_factor=10,
            final_div_factor=100,
            cycle_momentum=False,
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
