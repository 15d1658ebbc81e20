"""Draw a validation split in blocks, for sources with variants of a text in neighbouring rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace

from tidemill.data.ignored_files import IgnoredFile, ignored_files_of
from tidemill.data.notes import notes_of
from tidemill.domain.ports import Source
from tidemill.domain.types import Example


class BlockSplitSource:
    """Move whole blocks of `size` neighbouring train rows of a source to val.

    Fulfils `domain.ports.Source`. A hash of single rows would separate variants of one text. Such
    variants differ in one word and in the label, so validation would punish a model that learnt
    them. The draw depends on the source's name and order and takes a share of about `share`. Rows
    of other splits do not move.
    """

    def __init__(self, source: Source, *, size: int = 50, share: float = 0.15) -> None:
        self.name = source.name
        self.source = source
        self.size = size
        self.share = share

    def prepare(self, progress: Callable[[int, int], None]) -> None:
        self.source.prepare(progress)

    def examples(self) -> Iterator[Example]:
        """Yield the examples with their splits. Raises what the source raises."""
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
        """Return the notes of the source on its last reading."""
        return notes_of(self.source)

    def ignored_files(self) -> tuple[IgnoredFile, ...]:
        """The files that the source ignores."""
        return ignored_files_of(self.source)

    def _drawn(self, block: int) -> bool:
        digest = hashlib.sha256(f"{self.name} block {block}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64 < self.share
