"""Fit a network. Only this module changes weights."""

from __future__ import annotations

import logging
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from torch import Tensor

from tidemill.domain.errors import DataError, UsageError
from tidemill.learn.arrays import EncodedSplit
from tidemill.learn.batches import Batches
from tidemill.learn.determinism import deterministic
from tidemill.learn.digest import weights_digest
from tidemill.learn.module import TrainModule
from tidemill.learn.network import Network
from tidemill.learn.plan import TrainPlan


@dataclass(frozen=True, slots=True)
class EpochScores:
    """One epoch: mean training loss, and validation per target. `nll` is summed over targets."""

    epoch: int
    loss: float
    nll: float
    accuracy: dict[str, float]
    macro_f1: dict[str, float]
    seconds: float


@dataclass(frozen=True, slots=True)
class FitStep:
    """The progress of a fit: `step` of `steps`, in `epoch` of `epochs`, all counted from 1.

    `scores` is set once per epoch, when its validation is done.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    scores: EpochScores | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FitResult:
    """The network with its best weights, in evaluation mode, and the history of its epochs."""

    network: Network
    history: tuple[EpochScores, ...]
    best_epoch: int
    weights: str


def fit(
    network: Network,
    train: EncodedSplit,
    val: EncodedSplit,
    plan: TrainPlan,
    *,
    seed: int,
    progress: Callable[[FitStep], None] | None = None,
) -> FitResult:
    """Train a copy of `network` and return it with the weights of its best epoch.

    The best epoch has the least validation NLL, summed over the targets; of equal ones it is the
    earlier. On a few hundred examples the NLL moves smoothly where accuracy and F1 jump, so it
    depends less on luck. Each epoch is judged at its own best temperature, because the finished
    model is scaled as well. The same network, data, plan, seed and machine give the same weights
    bit for bit. No global state changes. Raises DataError when the splits do not fit the network,
    and UsageError when the training diverges. An interruption passes through.
    """
    for split in (train, val):
        _check(network, split)
    copy = deepcopy(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    copy.train()
    with deterministic(seed, plan.threads), _quiet():
        generator = torch.Generator().manual_seed(seed)
        batches = Batches(train, plan.batch_size, shuffle=generator)
        steps = plan.epochs * len(batches)
        module = TrainModule(copy, plan, steps=steps, generator=generator)
        keeper = _Keeper(module, plan, len(batches), progress)
        device = "gpu" if torch.cuda.is_available() else "cpu"
        trainer = pl.Trainer(
            accelerator=device,
            devices=1,
            precision=_precision(plan, device),
            gradient_clip_val=plan.clip or None,
            max_epochs=plan.epochs,
            callbacks=[keeper],
            num_sanity_val_steps=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        with _interruptible():
            trainer.fit(module, train_dataloaders=batches, val_dataloaders=Batches(val, 64))
    copy.cpu().load_state_dict(keeper.best)
    copy.eval()
    return FitResult(copy, tuple(keeper.history), keeper.best_epoch, weights_digest(keeper.best))


def _precision(plan: TrainPlan, device: str) -> Literal["32-true", "16-mixed", "bf16-mixed"]:
    if plan.precision == "bf16":
        return "bf16-mixed"
    return "16-mixed" if plan.precision == "auto" and device == "gpu" else "32-true"


class _Keeper(pl.Callback):
    """Keeps the best weights and the history in memory, and reports the progress."""

    def __init__(
        self,
        module: TrainModule,
        plan: TrainPlan,
        length: int,
        progress: Callable[[FitStep], None] | None,
    ) -> None:
        self.best: dict[str, Tensor] = {}
        self.best_epoch = 0
        self.history: list[EpochScores] = []
        self._module = module
        self._plan = plan
        self._length = length
        self._progress = progress
        self._losses: list[float] = []
        self._start = self._began = time.monotonic()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._losses.clear()
        self._began = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        self._losses.append(float(outputs["loss"]))
        self._tell(None)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        now = time.monotonic()
        scores = self._scores(now - self._began)
        earlier = min((row.nll for row in self.history), default=float("inf"))
        self.history.append(scores)
        if scores.nll < earlier:
            state = self._module.average.network.state_dict()
            self.best = {name: tensor.cpu().clone() for name, tensor in state.items()}
            self.best_epoch = scores.epoch
        self._tell(scores)
        limit = self._plan.max_seconds
        if limit is not None and now - self._start >= limit:
            trainer.should_stop = True

    def _scores(self, seconds: float) -> EpochScores:
        scores, epoch = self._module.scores, len(self.history) + 1
        if not scores:
            # An average that once met something infinite never becomes finite again.
            raise UsageError(
                f"The training diverged in epoch {epoch}.", hint="Lower the learning rate."
            )
        return EpochScores(
            epoch=epoch,
            loss=sum(self._losses) / len(self._losses),
            nll=sum(row.nll for row in scores.values()),
            accuracy={target: row.accuracy for target, row in scores.items()},
            macro_f1={target: row.macro_f1 for target, row in scores.items()},
            seconds=seconds,
        )

    def _tell(self, scores: EpochScores | None) -> None:
        if self._progress is None:
            return
        done = len(self.history) - (scores is not None)
        self._progress(
            FitStep(
                epoch=done + 1,
                epochs=self._plan.epochs,
                step=done * self._length + len(self._losses),
                steps=self._plan.epochs * self._length,
                loss=self._losses[-1],
                scores=scores,
            )
        )


def _check(network: Network, split: EncodedSplit) -> None:
    if len(split) == 0:
        raise DataError("There is no example to train or validate on.")
    if set(split.labels) != set(network.targets):
        raise DataError(
            f"The examples have the targets {sorted(split.labels)},"
            f" the network has {sorted(network.targets)}."
        )


@contextmanager
def _interruptible() -> Iterator[None]:
    """Restore the KeyboardInterrupt that Lightning turns into an exit, and the handler of Ctrl-C.

    Lightning (2.6) ignores the signal from then on and leaves the process.
    """
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as left:
        if isinstance(left.__context__, KeyboardInterrupt):
            raise left.__context__ from None
        raise
    finally:
        if handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence messages that nobody who trains can act on.

    Lightning reports the devices and the reason for its end. Lightning 2.6 also uses a class of
    torch 2.13 in a deprecated way.
    """
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message=r"`isinstance\(treespec, LeafSpec\)`", category=FutureWarning
            )
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
