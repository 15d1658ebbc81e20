"""Hashed n-grams: the words of a text and pieces of them as numbers.

Nothing is learnt here. The number of a gram is a checksum of its letters, so a codec needs no
vocabulary, and a word that is not in the training data still shares its pieces with others.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Self
from zlib import crc32

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

WORD = re.compile(r"\d+(?:[.,]\d+)*|\w+(?:['’]\w+)*|[^\w\s]")
"""A number, a word with its apostrophes, or one mark."""
NUMBER = "0"
"""Replaces every number, because its presence matters more than its value."""
LONGEST = 32
"""The number of characters of a word that are read. Longer ones are addresses and noise."""
PIECE = crc32(b"piece")
"""The initial checksum of a piece, so that it differs from that of an equal word."""

Ids = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float32]
_Length = Annotated[int, Field(strict=True, ge=1, le=8)]


class GramsConfig(BaseModel):
    """Which grams, and into how many buckets.

    Runs of 1 to `word_max` words, and pieces of `char_min` to `char_max` characters of every word,
    its two ends marked; without pieces when `char_max` is 0. Of a longer text the first
    `max_grams` are read, repetitions counted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    buckets: Annotated[int, Field(strict=True, ge=2, le=2**24)]
    word_max: _Length
    char_min: _Length
    char_max: Annotated[int, Field(strict=True, ge=0, le=8)]
    max_grams: Annotated[int, Field(strict=True, ge=1, le=2**20)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if 0 < self.char_max < self.char_min:
            raise ValueError("char_max is below char_min")
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Grams:
    """The grams of one text: `ids` int64 [g], distinct, 1 to buckets; `weights` float32 [g].

    `read` is how many characters of the text they come from: all, unless the text was cut.
    """

    ids: Ids
    weights: Weights
    read: int


def grams(text: str, settings: GramsConfig) -> tuple[Ids, Weights]:
    """Return the ids and weights of a text's grams; see `read_grams`."""
    result = read_grams(text, settings)
    return result.ids, result.weights


def read_grams(text: str, settings: GramsConfig) -> Grams:
    """Return the grams of a text, lower-cased, in the order of their first place in it.

    A weight is 1 + log(how often), divided so that the weights' squares sum to 1 (sublinear term
    frequency and cosine normalisation: Manning, Raghavan and Schuetze, "Introduction to
    Information Retrieval", sections 6.4.1 and 6.3.1). A text without a word has no grams. The
    same text gives the same ids on every machine.
    """
    checksums: list[int] = []
    read = len(text)
    before: deque[bytes] = deque(maxlen=settings.word_max)
    for match in WORD.finditer(text):
        word = match.group()[:LONGEST].lower()
        if word[0].isdecimal():
            word = NUMBER
        before.append(word.encode())
        checksums.extend(_runs(before))
        if settings.char_max and len(word) > 1:
            checksums.extend(_pieces(f"<{word}>", settings.char_min, settings.char_max))
        if len(checksums) > settings.max_grams:
            read = match.start()
            break
    counts = Counter(number % settings.buckets for number in checksums[: settings.max_grams])
    ids = np.fromiter(counts.keys(), np.int64, len(counts)) + 1
    weights = 1 + np.log(np.fromiter(counts.values(), np.float64, len(counts)))
    weights /= max(float(np.sqrt(weights @ weights)), 1.0)
    return Grams(ids, weights.astype(np.float32), read)


def _runs(words: deque[bytes]) -> Iterator[int]:
    """Return checksums of the runs that end at the last of `words`, the shortest first."""
    run = b""
    for word in reversed(words):
        run = word + b" " + run
        yield crc32(run)


def _pieces(word: str, shortest: int, longest: int) -> list[int]:
    """Return checksums of the pieces of `word`, of `shortest` to `longest` characters."""
    return [
        crc32(word[start : start + size].encode(), PIECE)
        for size in range(shortest, min(longest, len(word)) + 1)
        for start in range(len(word) - size + 1)
    ]
