"""Does a model notice texts of another domain, and stay quiet over its own?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tidemill.adapters.onnx import OnnxRuntime
from tidemill.bundle import Bundle, BundleStore
from tidemill.data.formats import open_rows
from tidemill.data.rows import spelled
from tidemill.domain.errors import BadPayload
from tidemill.loop.drift import DriftPolicy, check
from tidemill.predictor import Predictor

POLICY = DriftPolicy()
WITHIN = 500
WINDOWS = 20
BATCH = 64


@dataclass(frozen=True, slots=True)
class Quiet:
    """False alarms over windows of the model's own held-out texts, and how many those are."""

    alarms: int
    windows: int
    distinct: int


class Watcher:
    """A bundle's model, and its reference to hold windows of texts against."""

    def __init__(self, bundle: Path) -> None:
        self._bundle: Bundle = BundleStore(bundle.parent).open(bundle.name)
        self._predictor = Predictor(self._bundle, OnnxRuntime(self._bundle.model, threads=2))

    def noticed(self, payloads: Sequence[bytes]) -> int | None:
        """After how many of the texts a check says drift; None when none of WITHIN does."""
        seen = self._seen(payloads[:WITHIN])
        for end in range(POLICY.minimum, len(seen) + 1, POLICY.minimum):
            if self._drifted(seen[end - POLICY.minimum : end]):
                return end
        return None

    def quiet(self, payloads: Sequence[bytes]) -> Quiet:
        """Windows drawn without repetition from distinct texts that the reference does not hold."""
        own = sorted(set(payloads))
        seen = self._seen(own)
        random = np.random.default_rng(0)
        alarms = sum(
            self._drifted([seen[at] for at in random.permutation(len(seen))[: POLICY.minimum]])
            for _ in range(WINDOWS)
        )
        return Quiet(alarms, WINDOWS, len(own))

    def _seen(self, payloads: Sequence[bytes]) -> list[bytes]:
        looks = []
        for payload in payloads:
            try:
                looks.append(self._predictor.look(payload))
            except BadPayload:
                continue  # a server would refuse it, so it would be no prediction
        parts = [looks[start : start + BATCH] for start in range(0, len(looks), BATCH)]
        return [seen for part in parts for _, seen in self._predictor.observe(part)]

    def _drifted(self, seen: Sequence[bytes]) -> bool:
        reference = self._bundle.reference
        live = reference.split(reference.count(list(seen)))
        return any(row.drifted for row in check(reference.split(reference.counts), live, POLICY))


def texts(path: Path, column: str) -> list[bytes]:
    """The texts of a file, in an order that has nothing to do with theirs."""
    found = [spelled(row.values[column]).encode() for row in open_rows(path).read([column])]
    return [found[at] for at in np.random.default_rng(0).permutation(len(found))]
