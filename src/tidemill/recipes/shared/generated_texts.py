"""Parts of the generated texts: a genre, a sample of it, its examples, a source of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from tidemill.data.random_stream import stream
from tidemill.domain.types import Example, Split, payload_id
from tidemill.recipes.shared.canvas import Dice
from tidemill.recipes.shared.voice import PLAIN, Speaker, Voice


@dataclass(frozen=True, slots=True)
class Genre:
    """A kind of text. `write` makes one sentence of which the label is true.

    It returns the bare sentence, which `Speaker.say` then words, and the slice it belongs to.
    """

    name: str
    target: str
    labels: tuple[str, ...]
    write: Callable[[Speaker, str], tuple[str, str]]


@dataclass(frozen=True, slots=True)
class TextSample:
    """Which texts: how many per split, from which seed, in which voice. A genre derives its own."""

    genre: ClassVar[Genre]

    seed: int = 0
    train: int = 3000
    val: int = 600
    test: int = 2000
    voice: Voice = PLAIN

    @property
    def total(self) -> int:
        return self.train + self.val + self.test


STREAMS = {"test": "holdout"}
"""Names of random streams. The stream "test" draws two headlines that are near-duplicates."""


def compose(sample: TextSample, split: str, index: int, label: str) -> tuple[str, str]:
    """Return one finished text and its slice; the same for the same arguments on every machine."""
    genre = sample.genre
    dice = Dice(stream(genre.name, sample.seed, STREAMS.get(split, split), index, label))
    speaker = Speaker(dice, sample.voice)
    sentence, source = genre.write(speaker, label)
    return speaker.say(sentence), source


def examples(sample: TextSample) -> Iterator[Example]:
    """Yield the texts as examples of the genre's target, split by split, labels in turn.

    A text depends only on (seed, split, index) and the voice, so that a longer sample begins,
    split by split, with a shorter one.
    """
    genre = sample.genre
    counts: tuple[tuple[Split, int], ...] = (
        ("train", sample.train),
        ("val", sample.val),
        ("test", sample.test),
    )
    for split, count in counts:
        for index in range(count):
            label = genre.labels[index % len(genre.labels)]
            text, source = compose(sample, split, index, label)
            payload = text.encode()
            yield Example(
                id=payload_id(payload),
                payload=payload,
                labels={genre.target: label},
                source=source,
                origin=f"sample/{split}/{index:06d}",
                split=split,
            )


class GeneratedSource:
    """A sample as a source. Fulfils `domain.ports.Source`; nothing of it is kept on disk."""

    name = "sample"

    def __init__(self, sample: TextSample) -> None:
        self._sample = sample

    def prepare(self, progress: Callable[[int, int], None]) -> None:
        """Do nothing: writing a text is faster than reading one."""

    def examples(self) -> Iterator[Example]:
        """Return every text; see `examples`."""
        return examples(self._sample)

    def __len__(self) -> int:
        return self._sample.total
