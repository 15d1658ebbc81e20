"""A codec, class names and a runtime: payloads in, answers out.

The server, the gate and the command line all predict through the one class `Model`, so that what
was judged is what is served. A bundle's reference is counted through it as well. Most payloads
have one item; those of a `ManyCodec` have many, and every output has a row for each item.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, chain, pairwise
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from tidemill.bundle import Bundle
from tidemill.codecs.codec import Codec, ManyCodec
from tidemill.codecs.columns import shown
from tidemill.codecs.payload_like import PayloadLike, to_payload
from tidemill.domain.errors import BadPayload, Corrupt
from tidemill.domain.ports import Runtime
from tidemill.domain.types import Answer

Floats = npt.NDArray[np.float64]
Outputs = Mapping[str, npt.NDArray[Any]]
EMBEDDING = "embedding"
MEASURE = "measure_"
"""The prefix of outputs that are drift features."""

FEW = 8
"""So many payloads run together whatever their lengths are: a run has a cost of its own."""
PADDED = 1.25
"""More may do so while the longest is at most so many times as long as the shortest."""

ONE = ("",)
"""The item names of a payload that has one item."""


@dataclass(frozen=True, slots=True)
class Preprocessed:
    """One payload, decoded for the model, and the drift features of each of its items."""

    decoded: Any
    features: Sequence[Mapping[str, float]]


def preprocess(codec: Codec[Any], payload: bytes) -> Preprocessed:
    """Decode one payload and compute its drift features. Raises BadPayload."""
    decoded = codec.decode(payload)
    many = _many_codec(codec)
    if many is not None:
        return Preprocessed(decoded, many.item_features(decoded))
    return Preprocessed(decoded, (codec.features(decoded),))


def _many_codec(codec: Codec[Any]) -> ManyCodec[Any] | None:
    """Return the codec, when its payloads have many items."""
    return cast(ManyCodec[Any], codec) if _has_items(type(codec)) else None


@cache
def _has_items(codec: type[Codec[Any]]) -> bool:
    # To look at a Protocol takes as long as the decode of a short text.
    return hasattr(codec, "item_features")


class Model:
    """A model for predictions. Threads may share it if they may share the runtime."""

    def __init__(
        self, codec: Codec[Any], classes: Mapping[str, Sequence[str]], runtime: Runtime
    ) -> None:
        self.codec = codec
        self.many = _many_codec(codec)
        """The codec, when its payloads have many items."""
        self.classes = classes
        self._runtime = runtime
        self._alone = runtime.alone or self.many is not None

    def decode(self, payload: bytes) -> Any:
        """Decode one payload for `predict`. Raises BadPayload."""
        return self.codec.decode(payload)

    def preprocess(self, payload: bytes) -> Preprocessed:
        """Decode one payload and compute its drift features. Raises BadPayload."""
        return preprocess(self.codec, payload)

    def terminate(self) -> None:
        """End the runs in progress; each raises TimedOut. Any thread may call this."""
        self._runtime.terminate()

    def item_names(self, decoded: Any) -> tuple[str, ...]:
        """Return the names of the items of a decoded payload."""
        return ONE if self.many is None else self.many.item_names(decoded)

    def remarks(self, decoded: Any) -> tuple[str, ...]:
        """Return remarks on the decoding for the sender, such as that a text was cut.

        Few codecs have the method `remarks`.
        """
        remarks: Callable[[Any], tuple[str, ...]] | None = getattr(self.codec, "remarks", None)
        return () if remarks is None else tuple(remarks(decoded))

    def length(self, decoded: Any) -> int:
        """Return how long a decoded payload is, where a batch is padded to its longest; else 1.

        Few codecs have the method `length`.
        """
        length: Callable[[Any], int] | None = getattr(self.codec, "length", None)
        return 1 if length is None else max(1, length(decoded))

    def predict(self, inputs: Sequence[Any]) -> list[tuple[Answer, ...]]:
        """Return the answers to each decoded payload, one per item and target, ordered by item.

        Raises what `predict_with_embedding` raises.
        """
        return self._answers(inputs, self.predict_probabilities(inputs))

    def predict_payload(self, payload: PayloadLike) -> tuple[Answer, ...]:
        """Return the answers to one payload: bytes, a path, a text, a Pillow image, a dict.

        Raises DataError for a file that cannot be read, BadPayload and InvalidRequest for a value
        that does not fit, and what `predict_with_embedding` raises.
        """
        return self.predict([self.decode(to_payload(self.codec.payload, payload))])[0]

    def predict_probabilities(self, inputs: Sequence[Any]) -> dict[str, Floats]:
        """Return the first half of `predict_with_embedding`."""
        return self.predict_with_embedding(inputs)[0]

    def predict_with_embedding(
        self, inputs: Sequence[Any]
    ) -> tuple[dict[str, Floats], npt.NDArray[Any]]:
        """Return the calibrated probabilities [rows, classes] of every target, and the embedding.

        A row is one item of one decoded payload. The items of a payload stay together and in
        order; classes are in the order of `self.classes`. The embedding is [rows, 0] when the graph
        has none. Raises Corrupt when the graph returns another number of classes or rows. Values
        that are not finite are passed on: the gate judges them.
        """
        return self._probabilities(self._run(inputs), inputs)

    def profile_rows(
        self, preprocessed: Sequence[Preprocessed]
    ) -> tuple[Sequence[Mapping[str, float]], dict[str, Floats], npt.NDArray[Any]]:
        """Return what a profile counts: the features, probabilities and embedding of each row.

        An output `measure_<name>` [rows] of the graph becomes the feature `<name>`, which only the
        model can measure. Raises Corrupt when such an output has another shape or the codec has the
        same feature. Raises BadPayload, with the payload's index, when the graph's output is not
        finite, and what `predict_with_embedding` raises.
        """
        inputs = [each.decoded for each in preprocessed]
        outputs = self._run(inputs)
        self._refuse_overflow(outputs, inputs)
        features = [*chain.from_iterable(each.features for each in preprocessed)]
        return (
            _with_measures(features, outputs, self._rows(inputs)),
            *self._probabilities(outputs, inputs),
        )

    def _rows(self, inputs: Sequence[Any]) -> int:
        if self.many is None:
            return len(inputs)
        return sum(len(self.item_names(decoded)) for decoded in inputs)

    def _run(self, inputs: Sequence[Any]) -> Outputs:
        if self._alone:
            groups = [[at] for at in range(len(inputs))]
        else:
            groups = group_by_length([self.length(decoded) for decoded in inputs])
        if len(groups) <= 1:
            return self._runtime.run(self.codec.encode(inputs))
        parts = [
            self._runtime.run(self.codec.encode([inputs[at] for at in each])) for each in groups
        ]
        # The groups are in another order than the payloads, of which each has one row then.
        places = slice(None) if self._alone else np.argsort([*chain.from_iterable(groups)])
        return {name: np.concatenate([part[name] for part in parts])[places] for name in parts[0]}

    def _probabilities(
        self, outputs: Outputs, inputs: Sequence[Any]
    ) -> tuple[dict[str, Floats], npt.NDArray[Any]]:
        rows = self._rows(inputs)
        probabilities = {
            target: softmax(_logits(outputs, target, (rows, len(classes))))
            for target, classes in self.classes.items()
        }
        return probabilities, _embedding(outputs, rows)

    def _refuse_overflow(self, outputs: Outputs, inputs: Sequence[Any]) -> None:
        """Raise BadPayload for an overflow, which softmax would turn into NaN and so into an
        answer.
        """
        rows = self._rows(inputs)
        for target, classes in self.classes.items():
            logits = _logits(outputs, target, (rows, len(classes)))
            if not np.isfinite(logits).all():
                raise self._overflow_error(logits, inputs)

    def _overflow_error(self, logits: npt.NDArray[Any], inputs: Sequence[Any]) -> BadPayload:
        """Return the error that names the first row that is not finite."""
        row = int(np.isfinite(logits).all(axis=1).argmin())
        items = [(at, name) for at, one in enumerate(inputs) for name in self.item_names(one)]
        index, name = items[row]
        subject = f"the item {shown(name)} of this payload" if name else "this payload"
        return BadPayload(
            f"The model's output for {subject} is not a finite number.",
            hint="Send smaller numbers; nothing else makes a sound model overflow.",
            index=index,
        )

    def _answers(
        self, inputs: Sequence[Any], probabilities: Mapping[str, Floats]
    ) -> list[tuple[Answer, ...]]:
        if self.many is None:
            return self._row_answers(ONE * len(inputs), probabilities)
        items = [self.many.item_names(decoded) for decoded in inputs]
        rows = self._row_answers([*chain.from_iterable(items)], probabilities)
        return [
            tuple(chain.from_iterable(rows[start:stop]))
            for start, stop in _spans([len(names) for names in items])
        ]

    def _row_answers(
        self, items: Sequence[str], probabilities: Mapping[str, Floats]
    ) -> list[tuple[Answer, ...]]:
        """Return the answers of every row; `items` has the name of each row's item."""
        columns = [
            list(_target_answers(target, self.classes[target], rows, items))
            for target, rows in probabilities.items()
        ]
        return list(zip(*columns, strict=True))


class Predictor(Model):
    """The model of an open bundle. It also bins its predictions for the drift check."""

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        super().__init__(bundle.codec, bundle.classes, runtime)
        self.bundle = bundle

    def predict_with_bins(
        self, preprocessed: Sequence[Preprocessed]
    ) -> list[tuple[tuple[Answer, ...], bytes]]:
        """Return the answers to each payload, and the reference's bins of its items, concatenated.

        The model runs once, or once per payload where payloads must run alone. Raises what
        `profile_rows` raises, and Corrupt when the reference does not fit the graph and codec.
        """
        features, probabilities, embedding = self.profile_rows(preprocessed)
        rows = self.bundle.reference.bin_rows(features, probabilities, embedding)
        if self.many is None:
            bins = list(map(bytes, rows))
        else:
            spans = _spans([len(each.features) for each in preprocessed])
            bins = [rows[start:stop].tobytes() for start, stop in spans]
        answers = self._answers([each.decoded for each in preprocessed], probabilities)
        return list(zip(answers, bins, strict=True))


def group_by_length(lengths: Sequence[int]) -> list[list[int]]:
    """Return the positions of payloads in groups of like length, which run together.

    A batch is padded to its longest payload, so mixed lengths cost up to three times as much.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    groups: list[list[int]] = []
    for at in order:
        if groups and (len(groups[-1]) < FEW or lengths[at] <= PADDED * lengths[groups[-1][0]]):
            groups[-1].append(at)
        else:
            groups.append([at])
    return groups if len(groups) > 1 else [[*range(len(lengths))]]


def _spans(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Return the start and end of each of several parts that are laid end to end."""
    return pairwise(accumulate(sizes, initial=0))


def _with_measures(
    features: Sequence[Mapping[str, float]], outputs: Outputs, rows: int
) -> Sequence[Mapping[str, float]]:
    """Return every row's features, with those that the graph measures added."""
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
        raise Corrupt(f"The codec measures {len(features)} items of a payload that has {rows}.")
    values = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [
        {**row, **dict(zip(columns, measures, strict=True))}
        for row, measures in zip(features, values, strict=True)
    ]


def _logits(outputs: Outputs, target: str, shape: tuple[int, int]) -> npt.NDArray[Any]:
    logits = outputs.get(f"logits_{target}")
    if logits is None:
        raise Corrupt(f"The model has no output for the target {target!r}.")
    rows: npt.NDArray[Any] = np.asarray(logits)
    if rows.shape != shape:
        raise Corrupt(f"The model's output for {target!r} is {rows.shape}; it must be {shape}.")
    return rows


def _embedding(outputs: Outputs, items: int) -> npt.NDArray[Any]:
    if EMBEDDING not in outputs:
        return np.empty((items, 0))
    rows: npt.NDArray[Any] = np.asarray(outputs[EMBEDDING])
    if rows.ndim != 2 or len(rows) != items:
        raise Corrupt(f"The model embeds {items} items as {rows.shape}.")
    return rows


def softmax(logits: npt.NDArray[Any]) -> Floats:
    """Return the softmax of each row in double precision, shifted by its maximum."""
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    np.exp(shifted, out=shifted)
    shifted /= shifted.sum(axis=1, keepdims=True)
    return shifted


def _target_answers(
    target: str, classes: Sequence[str], rows: Floats, items: Sequence[str]
) -> Iterator[Answer]:
    for row, best, item in zip(rows.tolist(), rows.argmax(axis=1).tolist(), items, strict=True):
        probabilities = dict(zip(classes, row, strict=True))
        yield Answer(target, classes[best], row[best], probabilities, item)
