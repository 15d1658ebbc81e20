"""A codec, label names and a runtime: payloads in, answers out.

The server, the gate and the command line all answer through the one class `Model`, so that what
was judged is what is served; a bundle's reference is counted through it, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tidemill.bundle import Bundle
from tidemill.codecs.codec import Codec
from tidemill.domain.errors import Corrupt
from tidemill.domain.ports import Runtime
from tidemill.domain.types import Answer

Floats = npt.NDArray[np.float64]
EMBEDDING = "embedding"


@dataclass(frozen=True, slots=True)
class Look:
    """One payload, looked at once: decoded for the model, and measured."""

    item: Any
    features: Mapping[str, float]


class Model:
    """Safe to use from several threads when the runtime is."""

    def __init__(
        self, codec: Codec[Any], labels: Mapping[str, Sequence[str]], runtime: Runtime
    ) -> None:
        self.codec = codec
        self.labels = labels
        self._runtime = runtime

    def read(self, payload: bytes) -> Any:
        """Decode one payload for `answer`. Raises BadPayload."""
        return self.codec.read(payload)

    def look(self, payload: bytes) -> Look:
        """Decode one payload and measure it. Raises BadPayload."""
        item = self.codec.read(payload)
        return Look(item, self.codec.features(item))

    def remarks(self, item: Any) -> tuple[str, ...]:
        """What there is to say about how a payload was read: that a text was cut, for one.

        Few codecs have the method `remarks`.
        """
        told: Callable[[Any], tuple[str, ...]] | None = getattr(self.codec, "remarks", None)
        return () if told is None else tuple(told(item))

    def outputs(self, items: Sequence[Any]) -> tuple[dict[str, Floats], npt.NDArray[Any]]:
        """The calibrated probabilities [items, labels] of every target, and the embedding.

        Names are in the given order. The embedding is [items, 0] where the graph has none. Raises
        Corrupt when the graph does not answer as many labels as are named, or not every item.
        """
        outputs = self._run(items)
        probabilities = {
            target: softmax(_logits(outputs, target, (len(items), len(names))))
            for target, names in self.labels.items()
        }
        return probabilities, _embedding(outputs, len(items))

    def _run(self, items: Sequence[Any]) -> Mapping[str, Any]:
        if not self._runtime.alone or not items:
            return self._runtime.run(self.codec.encode(items))
        parts = [self._runtime.run(self.codec.encode([item])) for item in items]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def probabilities(self, items: Sequence[Any]) -> dict[str, Floats]:
        """The first half of `outputs`."""
        return self.outputs(items)[0]

    def answer(self, items: Sequence[Any]) -> list[tuple[Answer, ...]]:
        """The answers to each item, one per target."""
        return self._named(self.probabilities(items))

    def _named(self, probabilities: Mapping[str, Floats]) -> list[tuple[Answer, ...]]:
        columns = []
        for target, rows in probabilities.items():
            names = self.labels[target]
            columns.append([_answer(target, names, row) for row in rows])
        return list(zip(*columns, strict=True))


class Predictor(Model):
    """The model of an opened bundle, which also says what was seen of each answer."""

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        super().__init__(bundle.codec, bundle.labels, runtime)
        self.bundle = bundle

    def observe(self, looks: Sequence[Look]) -> list[tuple[tuple[Answer, ...], bytes]]:
        """The answers to each, and its bins of the bundle's reference; the model runs once.

        Raises Corrupt when the reference is not of this graph and codec.
        """
        probabilities, embedding = self.outputs([look.item for look in looks])
        seen = self.bundle.reference.see(
            [look.features for look in looks], probabilities, embedding
        )
        return list(zip(self._named(probabilities), map(bytes, seen), strict=True))


def _logits(outputs: Mapping[str, Any], target: str, wanted: tuple[int, int]) -> npt.NDArray[Any]:
    logits = outputs.get(f"logits_{target}")
    if logits is None:
        raise Corrupt(f"The model has no output for the target {target!r}.")
    rows: npt.NDArray[Any] = np.asarray(logits)
    if rows.shape != wanted:
        raise Corrupt(f"The model answers {target!r} with {rows.shape} where {wanted} is named.")
    return rows


def _embedding(outputs: Mapping[str, Any], items: int) -> npt.NDArray[Any]:
    if EMBEDDING not in outputs:
        return np.empty((items, 0))
    rows: npt.NDArray[Any] = np.asarray(outputs[EMBEDDING])
    if rows.ndim != 2 or len(rows) != items:
        raise Corrupt(f"The model embeds {items} items as {rows.shape}.")
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
