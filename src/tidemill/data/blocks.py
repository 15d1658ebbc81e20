"""A drawn validation for a source whose authors wrote variants of a text one below the other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace

from tidemill.data.notes import notes_of
from tidemill.domain.ports import Source
from tidemill.domain.types import Example


class BlockSplitSource:
    """The examples of a source, whole blocks of `size` neighbouring train rows of it in val.

    Fulfils `domain.ports.Source`. A hash of single rows would tear variants of one text apart:
    where they differ in a word and in the label, a model is then validated on the very twins of
    what it learnt, and the better it learnt them the worse it scores. Which blocks are drawn
    depends on the source's name and order, about `share` of them; rows of other splits stay.
    """

    def __init__(self, source: Source, *, size: int = 50, share: float = 0.15) -> None:
        self.name = source.name
        self.source = source
        self.size = size
        self.share = share

    def prepare(self, progress: Callable[[int, int], None]) -> None:
        self.source.prepare(progress)

    def examples(self) -> Iterator[Example]:
        """Raises what the source raises."""
        at = 0
        for example in self.source.examples():
            if example.split == "train":
                drawn = self._drawn(at // self.size)
                at += 1
                yield replace(example, split="val" if drawn else "train")
            else:
                yield example

    def __len__(self) -> int:
        return len(self.source)

    def notes(self) -> tuple[str, ...]:
        """What the source tells of its last reading."""
        return notes_of(self.source)

    def _drawn(self, block: int) -> bool:
        digest = hashlib.sha256(f"{self.name} block {block}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64 < self.share
