"""The contract of a trainer: its arguments and its result. It needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tidemill.codecs.codec import Codec
from tidemill.data.open_snapshot import OpenSnapshot
from tidemill.domain.types import Run
from tidemill.learn.progress import Progress


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The bundle's files, the metrics per split, and the digest of the weights."""

    files: Mapping[str, bytes]
    metrics: Mapping[str, Any]
    weights: str


class Trainer(Protocol):
    """Runs one training: Tidemill's trainer with a recipe's network, or a recipe's own trainer."""

    def __call__(
        self,
        run: Run,
        snapshot: OpenSnapshot,
        codec: Codec[Any],
        *,
        description: str,
        parent: str | None,
        scratch: Path,
        progress: Progress,
    ) -> TrainingResult:
        """Train on the snapshot with the seed and the configuration of `run`.

        `description` and `parent` go to the bundle's card and lineage. Temporary files lie below
        `scratch` and are removed. The same run gives the same weights. Raises UsageError for a
        setting, DataError for data that cannot be learnt from, StorageFailed.
        """
