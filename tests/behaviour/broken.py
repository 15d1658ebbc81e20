"""Models with one fault each; the test of that behaviour must detect it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.behaviour.service import Ask, Chances
from tidemill.codecs.codec import Arrays, Codec
from tidemill.codecs.text import DecodedText, TextCodec
from tidemill.domain.ports import Source
from tidemill.domain.types import Example
from tidemill.recipes.recipe import Config, Recipe


class Misled:
    """A recipe with labels that are independent of its texts; implements `Recipe`."""

    def __init__(self, recipe: Recipe) -> None:
        self.name = recipe.name
        self.description = recipe.description
        self.conf = recipe.conf
        self._recipe = recipe

    def check(self, config: Config) -> None:
        self._recipe.check(config)

    def codec(self, config: Config) -> Codec[object]:
        return self._recipe.codec(config)

    def source(self, config: Config, samples: Path) -> Source:
        return _Mislabelled(self._recipe.source(config, samples))


class _Mislabelled:
    """Every text with a label from its id, which is as good as random."""

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self._source = source

    def prepare(self, progress: Callable[[int, int], None]) -> None:
        self._source.prepare(progress)

    def examples(self) -> Iterator[Example]:
        names = sorted({name for row in self._source.examples() for name in row.labels.values()})
        for row in self._source.examples():
            drawn = names[int(row.id[:8], 16) % len(names)]
            yield replace(row, labels=dict.fromkeys(row.labels, drawn))

    def __len__(self) -> int:
        return len(self._source)


def swapped(ask: Ask) -> Ask:
    """Each probability under the next label's name."""

    def answer(texts: Sequence[str]) -> list[Chances]:
        return [_swapped(row) for row in ask(texts)]

    return answer


def _swapped(row: Chances) -> Chances:
    first, *others = row.values()
    return dict(zip(row, [*others, first], strict=True))


class CapitalsTold(TextCodec):
    """Distinguishes capitals from small letters, as this tokenizer should not."""

    def decode(self, payload: bytes) -> DecodedText:
        return super().decode(
            "".join(f"{c}^" if c.isupper() else c for c in payload.decode()).encode()
        )


class BlanksTold(TextCodec):
    """Reads every blank."""

    def decode(self, payload: bytes) -> DecodedText:
        return super().decode(b"_".join(payload.split(b" ")))


class PaddingRead(TextCodec):
    """Gives the padding a small weight, like a mean over all columns."""

    def encode(self, inputs: Sequence[DecodedText]) -> Arrays:
        arrays = super().encode(inputs)
        weights = arrays["weights"]
        return {**arrays, "weights": np.where(weights == 0, np.float32(0.01), weights)}
