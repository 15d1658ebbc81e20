"""Does a model notice what has changed, and stay quiet over its own?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tidemill.adapters.onnx import OnnxRuntime
from tidemill.bundle import Bundle, BundleStore
from tidemill.domain.errors import BadPayload
from tidemill.loop.drift import DriftPolicy, check
from tidemill.predictor import Predictor

POLICY = DriftPolicy()
WINDOWS = 20
BATCH = 64


@dataclass(frozen=True, slots=True)
class Quiet:
    """False alarms over windows of the model's own held-out payloads, and how many those are."""

    alarms: int
    windows: int
    distinct: int


class Watcher:
    """A bundle's model, and its reference to hold windows of payloads against."""

    def __init__(self, bundle: Path) -> None:
        self._bundle: Bundle = BundleStore(bundle.parent).open(bundle.name)
        self._predictor = Predictor(self._bundle, OnnxRuntime(self._bundle.model, threads=2))

    def noticed(self, payloads: Sequence[bytes], within: int) -> int | None:
        """After how many predictions a check says drift; None when none of `within` does.

        A check takes what came since the last one, as soon as that is enough. A payload that asks
        for many items is judged whole, however many they are.
        """
        window: list[bytes] = []
        done = 0
        for start in range(0, len(payloads), BATCH):
            for bins in self._predict_bins(payloads[start : start + BATCH]):
                if done >= within:
                    return None
                window.append(bins)
                done += len(bins) // len(self._bundle.reference.names)
                if self._rows(window) >= POLICY.minimum:
                    if self._drifted(window):
                        return done
                    window = []
        return None

    def quiet(self, payloads: Sequence[bytes]) -> Quiet:
        """Windows drawn without repetition from distinct payloads that are not in the reference."""
        own = sorted(set(payloads))
        bins = self._predict_bins(own)
        random = np.random.default_rng(0)
        alarms = sum(
            self._drifted([bins[at] for at in random.permutation(len(bins))[: POLICY.minimum]])
            for _ in range(WINDOWS)
        )
        return Quiet(alarms, WINDOWS, len(own))

    def _rows(self, window: Sequence[bytes]) -> int:
        return sum(map(len, window)) // len(self._bundle.reference.names)

    def _predict_bins(self, payloads: Sequence[bytes]) -> list[bytes]:
        preprocessed = []
        for payload in payloads:
            try:
                preprocessed.append(self._predictor.preprocess(payload))
            except BadPayload:
                continue  # a server would refuse it, so it would be no prediction
        parts = [
            preprocessed[start : start + BATCH] for start in range(0, len(preprocessed), BATCH)
        ]
        return [bins for part in parts for _, bins in self._predictor.predict_with_bins(part)]

    def _drifted(self, bins: Sequence[bytes]) -> bool:
        reference = self._bundle.reference
        live = reference.split(reference.count(list(bins)))
        return any(row.drifted for row in check(reference.split(reference.counts), live, POLICY))
