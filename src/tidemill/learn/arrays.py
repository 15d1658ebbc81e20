"""Encoded examples: each payload decoded once, ready to be drawn in any order, many times.

Pixels live in a `.npy` file that is mapped into memory, so that a data set larger than memory
trains in flat memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from tidemill.codecs.codec import Codec
from tidemill.domain.errors import BadPayload, DataError
from tidemill.domain.types import Example

INPUT = "image"
"""The array that an image codec makes, and the input of the exported graph."""

DECODERS = 2
LOOK_AHEAD = 32
"""Payloads that may be decoded or waiting at any moment: what bounds memory."""

Pixels = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class EncodedSplit:
    """The examples of one split, in the order they were given.

    `images` is uint8 [n, h, w, 3]; `labels` holds per target an int64 [n] of positions in that
    target's label names.
    """

    images: Pixels
    labels: Mapping[str, Indices]

    def __len__(self) -> int:
        return len(self.images)


def encode_split(
    examples: Iterable[Example],
    codec: Codec[Any],
    labels: Mapping[str, tuple[str, ...]],
    store: Path,
    *,
    progress: Callable[[int], None] | None = None,
) -> EncodedSplit:
    """Decode every payload once, in a small pool of threads, keeping the order of `examples`.

    `labels` are the label names per target, in model order. The pixels are written to the `.npy`
    file `store` while they come and are mapped back read-only. `progress` is told the number done
    so far, after each example. Raises DataError when there is no example, when a
    payload cannot be read or has another size than the first (its origin is named), and when a
    label is missing or unknown; OSError when `store` cannot be written.
    """
    positions = {
        target: {name: at for at, name in enumerate(names)} for target, names in labels.items()
    }
    columns: dict[str, list[int]] = {target: [] for target in labels}

    def images() -> Iterator[Pixels]:
        for done, (example, image) in enumerate(_decoded(examples, codec), start=1):
            for target, known in positions.items():
                columns[target].append(_position(example, target, known))
            yield image
            if progress is not None:
                progress(done)

    pixels = _stored(images(), store)
    numbered = {target: np.array(column, np.int64) for target, column in columns.items()}
    return EncodedSplit(pixels, numbered)


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


def _decoded(examples: Iterable[Example], codec: Codec[Any]) -> Iterator[tuple[Example, Pixels]]:
    """Each example with its pixels [h, w, 3], in order; all of the first one's size."""
    shape: tuple[int, ...] | None = None
    for example, future in _ahead(examples, codec):
        try:
            image = future.result()
        except BadPayload as error:
            raise DataError(f"{example.origin}: {error.message}", hint=error.hint) from error
        shape = shape or image.shape
        if image.shape != shape:
            raise DataError(f"{example.origin} is encoded as {image.shape}, others as {shape}.")
        yield example, image
    if shape is None:
        raise DataError("There is no example to encode.")


def _ahead(
    examples: Iterable[Example], codec: Codec[Any]
) -> Iterator[tuple[Example, Future[Pixels]]]:
    """Start decoding at most LOOK_AHEAD examples before their turn."""
    waiting: deque[tuple[Example, Future[Pixels]]] = deque()
    with ThreadPoolExecutor(DECODERS, thread_name_prefix="decode") as pool:
        try:
            for example in examples:
                waiting.append((example, pool.submit(_pixels, codec, example.payload)))
                if len(waiting) == LOOK_AHEAD:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            # When one payload fails, nobody waits for those behind it.
            pool.shutdown(cancel_futures=True)


def _pixels(codec: Codec[Any], payload: bytes) -> Pixels:
    array = codec.encode([codec.read(payload)]).get(INPUT)
    if array is None or array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] != 3:
        raise DataError(f"Codec {codec.kind!r} does not make {INPUT!r} as uint8 [n, h, w, 3].")
    image: Pixels = array[0]
    return image


def _stored(images: Iterator[Pixels], store: Path) -> Pixels:
    """Append to a `.npy` file of unknown length; its header is written again at the end.

    numpy pads the header so that the first axis can grow in place
    (`numpy.lib.format`, "GROWTH_AXIS_MAX_DIGITS").
    """
    count = 0
    shape: tuple[int, ...] = ()
    with store.open("wb") as file:
        for image in images:
            if count == 0:
                shape = image.shape
                _write_header(file, (0, *shape))
            file.write(np.ascontiguousarray(image).data)
            count += 1
        start = file.tell() - count * int(np.prod(shape))
        file.seek(0)
        _write_header(file, (count, *shape))
        if file.tell() != start:
            raise DataError(f"{store.name}: its header does not fit.")
    mapped: Pixels = np.load(store, mmap_mode="r", allow_pickle=False)
    return mapped


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(
        file, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
