"""Feature histograms: the bins of every feature, and the counts of a model's answers in them.

A reference is built once, from held-out examples, and is part of the bundle; training and serving
count with the same object. Its features are, in this order: what the codec measures, then for each
target `prediction.<target>` and `confidence.<target>`, then `embedding.0` and on.

`embedding.<i>` is the projection on the i-th principal direction of the held-out embeddings,
centred by their mean (I. T. Jolliffe, "Principal Component Analysis", 2002, section 1.1).
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tidemill.bins import MOST, BinRows, Bins, Counts, Floats, describe_bins, find_edges
from tidemill.domain.errors import Corrupt, DataError

Probabilities = Mapping[str, Floats]
Features = Sequence[Mapping[str, float]]

DIRECTIONS = 4
"""Directions of an embedding that are watched, at most."""

BROKEN_ARRAYS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    ValueError,
    EOFError,
    OSError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
    SyntaxError,
)
"""The errors of numpy and zipfile for bytes that are not an archive of plain arrays."""


@dataclass(frozen=True, eq=False)
class FeatureSchema:
    """The features of a profile, and how an answer becomes one number for each of them.

    `mean` [d] and `directions` [r, d] are of the embedding; a model without one has d = 0.
    """

    measures: tuple[str, ...]
    classes: Mapping[str, tuple[str, ...]]
    mean: Floats = field(repr=False)
    directions: Floats = field(repr=False)

    def __post_init__(self) -> None:
        if self.directions.ndim != 2 or self.mean.shape != self.directions.shape[1:]:
            raise ValueError("mean and directions of the embedding do not fit")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.directions).all()):
            raise ValueError("mean or directions of the embedding are not finite")
        if not all(self.classes.values()):
            raise ValueError("a target has no class")
        if len(set(self.names)) != len(self.names):
            raise ValueError("a feature is named twice")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The features, in order."""
        answered = [f"{kind}.{t}" for t in self.classes for kind in ("prediction", "confidence")]
        embedded = [f"embedding.{at}" for at in range(len(self.directions))]
        return (*self.measures, *answered, *embedded)

    @cached_property
    def named(self) -> tuple[tuple[str, ...], ...]:
        """The classes of each categorical feature; none for a number."""
        answered = [row for names in self.classes.values() for row in (names, ())]
        return (*[()] * len(self.measures), *answered, *[()] * len(self.directions))

    @cached_property
    def _offset(self) -> Floats:
        return (self.directions @ self.mean)[:, None]

    def values(self, features: Features, probabilities: Probabilities, embedding: Floats) -> Floats:
        """Return [F, n]; a prediction is the position of its label. Raises Corrupt."""
        n = len(features)
        out = np.empty((len(self.names), n))
        try:
            measured = [[row[name] for name in self.measures] for row in features]
        except KeyError as error:
            raise Corrupt(f"The codec does not measure {error}, which the reference has.") from None
        out[: len(self.measures)] = np.array(measured).reshape(n, len(self.measures)).T
        at = len(self.measures)
        for target, names in self.classes.items():
            rows = probabilities.get(target)
            if rows is None or rows.shape != (n, len(names)):
                raise Corrupt(f"The reference does not fit what the model answers to {target!r}.")
            out[at] = rows.argmax(axis=1)
            # In single precision, a probability of nearly one is exactly one.
            out[at + 1] = rows.max(axis=1).astype(np.float32)
            at += 2
        if embedding.shape != (n, len(self.mean)):
            raise Corrupt("The reference does not fit the model's embedding.")
        with np.errstate(invalid="ignore", over="ignore"):  # infinite ones have a bin, too
            out[at:] = self.directions @ embedding.T - self._offset
        return out


@dataclass(frozen=True, eq=False)
class Reference:
    """The bins of every feature, and how many of `n` held-out items fell into each.

    A prediction has a bin for each class. Bin i of a number holds values from edge i - 1 up to but
    not including edge i; `edges` has one row for each number. `counts` are concatenated feature by
    feature. Raises ValueError when the parts do not fit each other.
    """

    view: FeatureSchema
    edges: tuple[Floats, ...] = field(repr=False)
    n: int
    counts: Counts = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.edges) != sum(not names for names in self.view.named):
            raise ValueError("there is not one row of edges for each number")
        if not all(np.isfinite(row).all() and (row[1:] > row[:-1]).all() for row in self.edges):
            raise ValueError("edges do not rise")
        if max(self.sizes, default=0) > MOST:
            raise ValueError(f"a feature has more than {MOST} bins")
        if self.counts.shape != (sum(self.sizes),) or (self.counts < 0).any():
            raise ValueError("there is not one count for each bin")
        if self.n < 1 or any(part.sum() != self.n for part in self.split(self.counts).values()):
            raise ValueError("a feature's counts are not those of every example")

    @classmethod
    def build(
        cls,
        features: Features,
        probabilities: Probabilities,
        embedding: Floats,
        classes: Mapping[str, Sequence[str]],
    ) -> Self:
        """Build the reference from the rows of held-out examples: one row of every array per item.

        An example with several items counts once for each. `embedding` is [n, 0] when the model
        has none. Raises DataError when there is no example, an
        embedding is not finite or a target has too many classes; Corrupt when they do not fit.
        """
        if not features:
            raise DataError("There is no held-out example to build a reference from.")
        if not np.isfinite(embedding).all():
            raise DataError("The model's embedding of a held-out example is not finite.")
        named = {target: tuple(names) for target, names in classes.items()}
        if any(len(names) > MOST for names in named.values()):
            raise DataError(f"A target may have at most {MOST} classes.")
        view = FeatureSchema(tuple(features[0]), named, *_principal(embedding))
        values = view.values(features, probabilities, embedding)
        edges = tuple(
            find_edges(row) for row, names in zip(values, view.named, strict=True) if not names
        )
        bins = Bins.of(view.named, edges)
        return cls(view, edges, len(features), bins.count(bins.put(values)))

    @property
    def names(self) -> tuple[str, ...]:
        """The features, in order."""
        return self.view.names

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many bins each feature has."""
        return self._bins.sizes

    @cached_property
    def _bins(self) -> Bins:
        return Bins.of(self.view.named, self.edges)

    def bin_rows(
        self, features: Features, probabilities: Probabilities, embedding: Floats
    ) -> BinRows:
        """Return the bin [n, F] of each row of the answers for each feature. Raises Corrupt."""
        return self._bins.put(self.view.values(features, probabilities, embedding))

    def count(self, rows: BinRows | Sequence[bytes]) -> Counts:
        """Count the rows of bins, in the layout of `counts`. Raises DataError.

        Each element of bytes holds one row or more, concatenated.
        """
        if not isinstance(rows, np.ndarray):
            if any(not part or len(part) % len(self.names) for part in rows):
                raise DataError(f"What was seen of an answer has not {len(self.names)} features.")
            rows = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, len(self.names))
        if rows.ndim != 2 or rows.shape[1] != len(self.names):
            raise DataError(f"What was seen of an answer has not {len(self.names)} features.")
        return self._bins.count(rows)

    def split(self, counts: Counts) -> dict[str, Counts]:
        """Return the counts by feature. Raises DataError for counts of another reference."""
        if len(counts) != sum(self.sizes):
            raise DataError(f"{len(counts)} counts are not those of {sum(self.sizes)} bins.")
        parts = np.split(counts, self._bins.starts[1:])
        return dict(zip(self.names, parts, strict=True))

    def describe_bins(self, feature: str) -> tuple[str, ...]:
        """Describe each bin of a feature for people. Raises DataError for an unknown feature."""
        if feature not in self.names:
            raise DataError(
                f"There is no feature {feature!r}.", hint=f"There are: {', '.join(self.names)}."
            )
        numbers = iter(self.edges)
        for name, labels in zip(self.names, self.view.named, strict=True):
            described = labels or describe_bins(next(numbers))
            if name == feature:
                break
        return described

    def to_bytes(self) -> bytes:
        """Return a `.npz` archive; its bytes depend on the content alone."""
        file = io.BytesIO()
        arrays: dict[str, npt.NDArray[Any]] = {
            "measures": np.array(self.view.measures, np.str_),
            "targets": np.array(list(self.view.classes), np.str_),
            "classes": np.array([n for row in self.view.classes.values() for n in row], np.str_),
            "classes_each": np.array([len(row) for row in self.view.classes.values()], np.int64),
            "edges": np.concatenate([*self.edges, np.empty(0)]),
            "edges_each": np.array([len(row) for row in self.edges], np.int64),
            "mean": self.view.mean,
            "directions": self.view.directions,
            "n": np.array(self.n, np.int64),
            "counts": self.counts,
        }
        np.savez(file, allow_pickle=False, **arrays)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Return the reference that `to_bytes` wrote. Raises ValueError for anything else."""
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
        except BROKEN_ARRAYS as error:
            raise ValueError(f"it is no archive of arrays ({type(error).__name__})") from error
        text, whole, real = np.dtype(np.str_), np.dtype(np.int64), np.dtype(np.float64)

        def array(name: str, kind: np.dtype[Any], ndim: int = 1) -> Any:
            row = arrays.get(name)
            if row is None or row.dtype.type is not kind.type or row.ndim != ndim:
                raise ValueError(f"{name!r} is missing or of another kind")
            return row

        names = _cut(array("classes", text).tolist(), array("classes_each", whole))
        view = FeatureSchema(
            tuple(array("measures", text).tolist()),
            dict(zip(array("targets", text).tolist(), map(tuple, names), strict=True)),
            array("mean", real),
            array("directions", real, 2),
        )
        edges = tuple(_cut(array("edges", real), array("edges_each", whole)))
        return cls(view, edges, int(array("n", whole, 0)), array("counts", whole))


def _principal(embedding: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """Return the mean [d] and the first directions [r, d], each with its largest part positive.

    Directions whose spread is below the rounding error of single precision are dropped.
    """
    rows = np.asarray(embedding, np.float64)
    mean = rows.mean(axis=0)
    centred = rows - mean
    spreads, columns = np.linalg.eigh(centred.T @ centred)
    bound = len(mean) * float(np.finfo(np.float32).eps)
    # `eigh` goes upwards; its values are squares of the spreads, and of rounding below zero.
    rank = int((spreads > max(spreads[-1], 0) * bound**2).sum()) if len(mean) else 0
    directions = columns.T[::-1][: min(DIRECTIONS, rank)]
    largest = np.abs(directions).argmax(axis=1)[:, None] if rank else np.zeros((0, 1), np.int64)
    return mean, directions * np.sign(np.take_along_axis(directions, largest, axis=1))


def _cut(row: Any, lengths: npt.NDArray[np.int64]) -> list[Any]:
    """Return the parts of a row that lie end to end. Raises ValueError for another length."""
    if (lengths < 0).any() or int(lengths.sum()) != len(row):
        raise ValueError("parts laid end to end have another length")
    stops = [*accumulate(lengths.tolist(), initial=0)]
    return [row[start:stop] for start, stop in pairwise(stops)]
