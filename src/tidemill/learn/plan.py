"""The settings of a training that decide its weights, besides data and seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from tidemill.domain.errors import UsageError

LearningRateSchedule = Literal["cosine", "linear", "constant"]
Precision = Literal["auto", "32", "bf16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainPlan:
    """One training's settings. Raises UsageError for a value that cannot work.

    The learning rate rises over the first `warmup` part of all steps to `learning_rate` and then
    falls to almost nothing (one cycle), as a cosine or linearly; a `constant` schedule does
    neither. Gradients longer than `clip` are cut to that length; 0 leaves them. `precision` auto
    is mixed (16 bits) on an accelerator and 32 bits on a processor. `averaging` is the decay per
    step of the moving average of the weights, which is what gets validated and kept; 0 keeps the
    raw weights. `flip`, `jitter` and `warp` are those of an image's `augment`. No epoch begins
    after `max_seconds`; a training that was stopped so is not reproducible. `threads` belongs here
    because another number of threads adds in another order, and so ends in other weights.
    """

    epochs: int
    batch_size: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    warmup: float = 0.2
    schedule: LearningRateSchedule = "cosine"
    clip: float = 0.0
    precision: Precision = "auto"
    averaging: float = 0.98
    flip: bool = True
    jitter: float = 0.2
    warp: float = 0.0
    threads: int = 2
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        checks = {
            "epochs": self.epochs >= 1,
            "batch_size": self.batch_size >= 2,
            "learning_rate": self.learning_rate > 0,
            "weight_decay": self.weight_decay >= 0,
            "label_smoothing": 0 <= self.label_smoothing < 1,
            "warmup": 0 < self.warmup < 1,
            "schedule": self.schedule in get_args(LearningRateSchedule),
            "clip": self.clip >= 0,
            "precision": self.precision in get_args(Precision),
            "averaging": 0 <= self.averaging < 1,
            "jitter": 0 <= self.jitter < 1,
            "warp": 0 <= self.warp < 1,
            "threads": self.threads >= 1,
            "max_seconds": self.max_seconds is None or self.max_seconds > 0,
        }
        for name, holds in checks.items():
            if not holds:
                raise UsageError(f"Training cannot use {name}={getattr(self, name)}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportPlan:
    """The number format of the exported graph, which is judged and served."""

    precision: Literal["fp32", "int8"] = "fp32"

    def __post_init__(self) -> None:
        if self.precision not in ("fp32", "int8"):
            raise UsageError(f"A graph cannot be exported with precision={self.precision}.")
