"""An opened bundle and a runtime: payloads in, answers out.

The server, the gate and the command line all answer through this one class, so that what was
judged is what is served.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tidemill.bundle import Bundle
from tidemill.domain.errors import Corrupt
from tidemill.domain.ports import Runtime
from tidemill.domain.types import Answer

Floats = npt.NDArray[np.float64]


class Predictor:
    """Safe to use from several threads when the runtime is."""

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        self.bundle = bundle
        self.codec = bundle.codec
        self._runtime = runtime

    def read(self, payload: bytes) -> Any:
        """Decode one payload for `answer`. Raises BadPayload."""
        return self.codec.read(payload)

    def probabilities(self, items: Sequence[Any]) -> dict[str, Floats]:
        """Per target, the calibrated probabilities [items, labels] in the bundle's label order.

        Raises Corrupt when the graph does not answer as many labels as the bundle names.
        """
        outputs = self._runtime.run(self.codec.encode(items))
        return {
            target: softmax(_logits(outputs, target, (len(items), len(names))))
            for target, names in self.bundle.labels.items()
        }

    def answer(self, items: Sequence[Any]) -> list[tuple[Answer, ...]]:
        """The answers to each item, one per target."""
        columns = []
        for target, rows in self.probabilities(items).items():
            names = self.bundle.labels[target]
            columns.append([_answer(target, names, row) for row in rows])
        return list(zip(*columns, strict=True))


def _logits(outputs: Mapping[str, Any], target: str, wanted: tuple[int, int]) -> npt.NDArray[Any]:
    logits = outputs.get(f"logits_{target}")
    if logits is None:
        raise Corrupt(f"The model has no output for the target {target!r}.")
    rows: npt.NDArray[Any] = np.asarray(logits)
    if rows.shape != wanted:
        raise Corrupt(f"The model answers {target!r} with {rows.shape} where {wanted} is named.")
    return rows


def softmax(logits: npt.NDArray[Any]) -> Floats:
    """Row-wise softmax in double precision, shifted by the maximum so that nothing overflows."""
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    np.exp(shifted, out=shifted)
    shifted /= shifted.sum(axis=1, keepdims=True)
    return shifted


def _answer(target: str, names: Sequence[str], row: Floats) -> Answer:
    values = row.tolist()
    best = int(row.argmax())
    return Answer(target, names[best], values[best], dict(zip(names, values, strict=True)))
