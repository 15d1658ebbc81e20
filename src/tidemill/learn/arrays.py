"""Encoded examples: each payload is decoded once and can be read in any order, many times.

Every array of the codec lies in a memory-mapped `.npy` file, its rows end to end. So a data set
larger than memory trains in constant memory, and texts are tokenised once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tidemill.codecs.codec import Arrays, Codec
from tidemill.domain.errors import BadPayload, DataError
from tidemill.domain.types import Example
from tidemill.learn.rows import ArrayRows, RowsWriter

DECODERS = 2
LOOK_AHEAD = 32
"""The number of payloads that are decoded or waiting at a time, which limits memory."""

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class EncodedSplit:
    """The examples of one split, in the order they were given.

    `arrays` are the codec's, by name; `labels` holds per target an int64 [n] of positions in that
    target's label names; `sources` says where each example came from.
    """

    arrays: Mapping[str, ArrayRows]
    labels: Mapping[str, Indices]
    sources: Sequence[str] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    @cached_property
    def lengths(self) -> Indices | None:
        """The length of each example, int64 [n]; None if all are equally long."""
        ragged = [rows.lengths for rows in self.arrays.values() if rows.ragged]
        return np.maximum.reduce(ragged) if ragged else None

    def first(self, n: int) -> EncodedSplit:
        """Return the first n examples."""
        return EncodedSplit(
            {name: rows.first(n) for name, rows in self.arrays.items()},
            {target: column[:n] for target, column in self.labels.items()},
            self.sources[:n],
        )

    def take(self, at: Indices) -> Arrays:
        """Return the codec's arrays of these examples, as its `encode` would return them."""
        return {name: rows.take(at) for name, rows in self.arrays.items()}


def encode_split(
    examples: Iterable[Example],
    codec: Codec[Any],
    classes: Mapping[str, tuple[str, ...]],
    folder: Path,
    *,
    progress: Callable[[int], None] | None = None,
) -> EncodedSplit:
    """Decode every payload once, in a small pool of threads, keeping the order of `examples`.

    `classes` are those of each target, in the order of the logits. The arrays are written to the
    new `folder` while they come and are mapped back read-only. `progress` is told the number done
    so far, after each example. Raises DataError when there is no example, when a payload cannot be
    read or does not go with the first (its origin is named), and when a label is missing or
    unknown; OSError when `folder` cannot be written.
    """
    positions = {
        target: {name: at for at, name in enumerate(names)} for target, names in classes.items()
    }
    columns: dict[str, list[int]] = {target: [] for target in classes}
    sources: list[str] = []
    folder.mkdir()
    with ExitStack() as stack:
        writers: dict[str, RowsWriter] = {}
        for done, (example, arrays) in enumerate(_decoded(examples, codec), start=1):
            for target, known in positions.items():
                columns[target].append(_position(example, target, known))
            if not writers:
                writers = {
                    name: stack.enter_context(RowsWriter(folder / f"{name}.npy", array[0]))
                    for name, array in arrays.items()
                }
            _append(writers, arrays, example)
            sources.append(example.source)
            if progress is not None:
                progress(done)
    if not writers:
        raise DataError("There is no example to encode.")
    numbered = {target: np.array(column, np.int64) for target, column in columns.items()}
    return EncodedSplit(
        {name: writer.rows() for name, writer in writers.items()}, numbered, tuple(sources)
    )


def _append(writers: Mapping[str, RowsWriter], arrays: Arrays, example: Example) -> None:
    if set(arrays) != set(writers):
        raise DataError(
            f"{example.origin} is encoded as {', '.join(arrays)}, others as {', '.join(writers)}."
        )
    for name, writer in writers.items():
        try:
            writer.append(arrays[name][0])
        except ValueError as error:
            raise DataError(f"{example.origin}, encoded: {error}.") from error


def _position(example: Example, target: str, known: Mapping[str, int]) -> int:
    name = example.labels.get(target)
    if name is None:
        raise DataError(f"{example.origin} has no label for target {target!r}.")
    if name not in known:
        raise DataError(
            f"{example.origin} has the unknown label {name!r} for target {target!r}.",
            hint=f"Known labels: {', '.join(known)}.",
        )
    return known[name]


def _decoded(examples: Iterable[Example], codec: Codec[Any]) -> Iterator[tuple[Example, Arrays]]:
    """Yield each example with its own arrays [1, ...], in order."""
    for example, future in _ahead(examples, codec):
        try:
            yield example, future.result()
        except BadPayload as error:
            raise DataError(f"{example.origin}: {error.message}", hint=error.hint) from error


def _ahead(
    examples: Iterable[Example], codec: Codec[Any]
) -> Iterator[tuple[Example, Future[Arrays]]]:
    """Start decoding at most LOOK_AHEAD examples before their turn."""
    waiting: deque[tuple[Example, Future[Arrays]]] = deque()
    with ThreadPoolExecutor(DECODERS, thread_name_prefix="decode") as pool:
        try:
            for example in examples:
                waiting.append((example, pool.submit(_encoded, codec, example.payload)))
                if len(waiting) == LOOK_AHEAD:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            # When one payload fails, the work on the later ones is cancelled.
            pool.shutdown(cancel_futures=True)


def _encoded(codec: Codec[Any], payload: bytes) -> Arrays:
    arrays = codec.encode([codec.decode(payload)])
    if not arrays or any(array.ndim < 2 or len(array) != 1 for array in arrays.values()):
        raise DataError(f"Codec {codec.kind!r} does not make arrays with a row for each payload.")
    return arrays
