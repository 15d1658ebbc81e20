"""A codec, label names and a runtime: payloads in, answers out.

The server, the gate and the command line all answer through the one class `Model`, so that what
was judged is what is served; a bundle's reference is counted through it, too. Most payloads are
one item; those of a `ManyCodec` ask for many, and get a row of every output for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from tidemill.bundle import Bundle
from tidemill.codecs.codec import Codec, ManyCodec
from tidemill.codecs.columns import shown
from tidemill.domain.errors import BadPayload, Corrupt
from tidemill.domain.ports import Runtime
from tidemill.domain.types import Answer

Floats = npt.NDArray[np.float64]
Outputs = Mapping[str, npt.NDArray[Any]]
EMBEDDING = "embedding"
MEASURE = "measure_"
"""What the names of those outputs begin with that are drift features themselves."""

ONE = ("",)
"""The names of the items of a payload that is one item."""


@dataclass(frozen=True, slots=True)
class Look:
    """One payload, looked at once: decoded for the model, and each of its items measured."""

    item: Any
    features: Sequence[Mapping[str, float]]


class Model:
    """Safe to use from several threads when the runtime is."""

    def __init__(
        self, codec: Codec[Any], labels: Mapping[str, Sequence[str]], runtime: Runtime
    ) -> None:
        self.codec = codec
        self.many = codec if isinstance(codec, ManyCodec) else None
        """The codec, where its payloads ask for many items."""
        self.labels = labels
        self._runtime = runtime
        self._alone = runtime.alone or self.many is not None

    def read(self, payload: bytes) -> Any:
        """Decode one payload for `answer`. Raises BadPayload."""
        return self.codec.read(payload)

    def look(self, payload: bytes) -> Look:
        """Decode one payload and measure it. Raises BadPayload."""
        item = self.codec.read(payload)
        if self.many is None:
            return Look(item, (self.codec.features(item),))
        return Look(item, self.many.measures(item))

    def names(self, item: Any) -> tuple[str, ...]:
        """The items that a decoded payload asks for."""
        return ONE if self.many is None else self.many.names(item)

    def remarks(self, item: Any) -> tuple[str, ...]:
        """What there is to say about how a payload was read: that a text was cut, for one.

        Few codecs have the method `remarks`.
        """
        told: Callable[[Any], tuple[str, ...]] | None = getattr(self.codec, "remarks", None)
        return () if told is None else tuple(told(item))

    def outputs(self, items: Sequence[Any]) -> tuple[dict[str, Floats], npt.NDArray[Any]]:
        """The calibrated probabilities [rows, labels] of every target, and the embedding.

        A row is one item of one decoded payload: those of a payload together, in its order. Names
        are in the given order. The embedding is [rows, 0] where the graph has none. Raises Corrupt
        when the graph does not answer as many labels as are named, or not every item. What it
        answers with no finite number has none here either: the gate judges that.
        """
        return self._read(self._run(items), items)

    def measured(
        self, looks: Sequence[Look]
    ) -> tuple[Sequence[Mapping[str, float]], dict[str, Floats], npt.NDArray[Any]]:
        """What a reference sees of each row: its features, and what `outputs` gives.

        An output `measure_<name>` [rows] of the graph is the feature `<name>`: what only the model
        can measure. Raises Corrupt when it has another form, or the codec has that feature, too;
        BadPayload, with the payload's index, when the graph has no finite answer to one; else what
        `outputs` raises.
        """
        items = [look.item for look in looks]
        outputs = self._run(items)
        self._refuse_overflow(outputs, items)
        features = [*chain.from_iterable(look.features for look in looks)]
        return (
            _with_measures(features, outputs, self._rows(items)),
            *self._read(outputs, items),
        )

    def probabilities(self, items: Sequence[Any]) -> dict[str, Floats]:
        """The first half of `outputs`."""
        return self.outputs(items)[0]

    def answer(self, items: Sequence[Any]) -> list[tuple[Answer, ...]]:
        """The answers to each payload, one per item and target; those of an item together.

        Raises what `outputs` raises.
        """
        return self._named(items, self.probabilities(items))

    def _rows(self, items: Sequence[Any]) -> int:
        return len(items) if self.many is None else sum(len(self.names(item)) for item in items)

    def _run(self, items: Sequence[Any]) -> Outputs:
        if not self._alone or not items:
            return self._runtime.run(self.codec.encode(items))
        parts = [self._runtime.run(self.codec.encode([item])) for item in items]
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _read(
        self, outputs: Outputs, items: Sequence[Any]
    ) -> tuple[dict[str, Floats], npt.NDArray[Any]]:
        rows = self._rows(items)
        probabilities = {
            target: softmax(_logits(outputs, target, (rows, len(names))))
            for target, names in self.labels.items()
        }
        return probabilities, _embedding(outputs, rows)

    def _refuse_overflow(self, outputs: Outputs, items: Sequence[Any]) -> None:
        """Softmax would make "not a number" of what overflowed, and an answer of that."""
        rows = self._rows(items)
        for target, names in self.labels.items():
            logits = _logits(outputs, target, (rows, len(names)))
            if not np.isfinite(logits).all():
                raise self._overflowed(logits, items)

    def _overflowed(self, logits: npt.NDArray[Any], items: Sequence[Any]) -> BadPayload:
        """What there is to say of the first row that is not finite."""
        row = int(np.isfinite(logits).all(axis=1).argmin())
        named = [(at, name) for at, item in enumerate(items) for name in self.names(item)]
        index, name = named[row]
        about = f"the item {shown(name)} of this payload" if name else "this payload"
        return BadPayload(
            f"The model's answer to {about} is no finite number.",
            hint="Send smaller numbers; nothing else makes a sound model overflow.",
            index=index,
        )

    def _named(
        self, items: Sequence[Any], probabilities: Mapping[str, Floats]
    ) -> list[tuple[Answer, ...]]:
        if self.many is None:
            return self._together(ONE * len(items), probabilities)
        named = [self.many.names(item) for item in items]
        rows = self._together([*chain.from_iterable(named)], probabilities)
        return [
            tuple(chain.from_iterable(rows[start:stop]))
            for start, stop in _spans([len(names) for names in named])
        ]

    def _together(
        self, names: Sequence[str], probabilities: Mapping[str, Floats]
    ) -> list[tuple[Answer, ...]]:
        """The answers of every row, which is about the item of that name."""
        columns = [
            list(_answers(target, self.labels[target], rows, names))
            for target, rows in probabilities.items()
        ]
        return list(zip(*columns, strict=True))


class Predictor(Model):
    """The model of an opened bundle, which also says what was seen of each answer."""

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        super().__init__(bundle.codec, bundle.labels, runtime)
        self.bundle = bundle

    def observe(self, looks: Sequence[Look]) -> list[tuple[tuple[Answer, ...], bytes]]:
        """The answers to each payload, and its items' bins of the bundle's reference, end to end.

        The model runs once, or once per payload where these must be alone. Raises what `measured`
        raises, and Corrupt when the reference is not of this graph and codec.
        """
        features, probabilities, embedding = self.measured(looks)
        rows = self.bundle.reference.see(features, probabilities, embedding)
        if self.many is None:
            seen = list(map(bytes, rows))
        else:
            spans = _spans([len(look.features) for look in looks])
            seen = [rows[start:stop].tobytes() for start, stop in spans]
        named = self._named([look.item for look in looks], probabilities)
        return list(zip(named, seen, strict=True))


def _spans(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where each of several parts laid end to end starts and stops."""
    return pairwise(accumulate(sizes, initial=0))


def _with_measures(
    features: Sequence[Mapping[str, float]], outputs: Outputs, rows: int
) -> Sequence[Mapping[str, float]]:
    """Every row's features, and what the graph itself measured of it."""
    columns = {
        name.removeprefix(MEASURE): np.asarray(column)
        for name, column in outputs.items()
        if name.startswith(MEASURE)
    }
    if not columns:
        return features
    for name, column in columns.items():
        if column.shape != (rows,):
            raise Corrupt(f"The model measures {name!r} of {rows} items as {column.shape}.")
        if features and name in features[0]:
            raise Corrupt(f"Both the model and its codec measure {name!r}.")
    if len(features) != rows:
        raise Corrupt(f"The codec measures {len(features)} items where {rows} are asked for.")
    values = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [
        {**row, **dict(zip(columns, more, strict=True))}
        for row, more in zip(features, values, strict=True)
    ]


def _logits(outputs: Outputs, target: str, wanted: tuple[int, int]) -> npt.NDArray[Any]:
    logits = outputs.get(f"logits_{target}")
    if logits is None:
        raise Corrupt(f"The model has no output for the target {target!r}.")
    rows: npt.NDArray[Any] = np.asarray(logits)
    if rows.shape != wanted:
        raise Corrupt(f"The model answers {target!r} with {rows.shape} where {wanted} is named.")
    return rows


def _embedding(outputs: Outputs, items: int) -> npt.NDArray[Any]:
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


def _answers(
    target: str, names: Sequence[str], rows: Floats, items: Sequence[str]
) -> Iterator[Answer]:
    for row, best, item in zip(rows.tolist(), rows.argmax(axis=1).tolist(), items, strict=True):
        scores = dict(zip(names, row, strict=True))
        yield Answer(target, names[best], row[best], scores, item)
