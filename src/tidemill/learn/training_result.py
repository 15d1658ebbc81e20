"""What a training is asked and what it gives back. Apart from any trainer: this needs no torch."""

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
class Trained:
    """A finished training: the bundle's files, metrics per split, the digest of the weights."""

    files: Mapping[str, bytes]
    metrics: Mapping[str, Any]
    weights: str


class Train(Protocol):
    """One training: the product's own of a recipe's network, or a recipe's own."""

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
    ) -> Trained:
        """Train on the snapshot as `run` says: its seed, and its configuration for all else.

        `description` and `parent` are for the bundle's card and lineage. What is needed on disk
        lies below `scratch` and is gone afterwards. The same run gives the same weights. Raises
        UsageError for a setting, DataError for data that cannot be learnt from, StorageFailed.
        """
