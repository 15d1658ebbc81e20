"""A drawn test for a source that gives none, with every label in it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace

from tidemill.data.ignored_files import IgnoredFile, ignored_files_of
from tidemill.data.inspection import Fingerprints
from tidemill.data.notes import notes_of
from tidemill.domain.errors import BadPayload, DataError
from tidemill.domain.ports import Source
from tidemill.domain.types import Example


class StratifiedSource:
    """The examples of a source, a share of each label's in test and the rest in train.

    Fulfils `domain.ports.Source`. What is drawn are contents, as the codec's exact fingerprint
    tells them apart, so that copies stay together; a content with several labels counts for the
    one it came with first. The draw depends on the contents, labels and seed, on no order.
    """

    def __init__(self, source: Source, codec: Fingerprints, *, share: float, seed: int) -> None:
        self.name = source.name
        self.source = source
        self.codec = codec
        self.share = share
        self.seed = seed

    def prepare(self, progress: Callable[[int, int], None]) -> None:
        self.source.prepare(progress)

    def examples(self) -> Iterator[Example]:
        """Reads the source twice. Raises DataError, too, when the source gives a split itself."""
        drawn = self._draw()
        for example in self.source.examples():
            held_back = self._content(example) in drawn
            yield replace(example, split="test" if held_back else "train")

    def __len__(self) -> int:
        return len(self.source)

    def notes(self) -> tuple[str, ...]:
        """Return the notes of the source on its last reading."""
        return notes_of(self.source)

    def ignored_files(self) -> tuple[IgnoredFile, ...]:
        """The files that the source ignores."""
        return ignored_files_of(self.source)

    def _draw(self) -> set[str]:
        strata: dict[tuple[tuple[str, str], ...], set[str]] = defaultdict(set)
        contents_seen: set[str] = set()
        for example in self.source.examples():
            if example.split is not None:
                raise DataError(
                    f"{example.origin} is in {example.split} already.",
                    hint="Draw a test only where the source gives no splits.",
                )
            content = self._content(example)
            if content not in contents_seen:
                contents_seen.add(content)
                strata[tuple(sorted(example.labels.items()))].add(content)
        drawn: set[str] = set()
        for contents in strata.values():
            drawn.update(sorted(contents, key=self._lot)[: round(self.share * len(contents))])
        return drawn

    def _lot(self, content: str) -> bytes:
        return hashlib.sha256(f"{self.seed} {content}".encode()).digest()

    def _content(self, example: Example) -> str:
        try:
            return self.codec.fingerprint(example.payload).exact
        except BadPayload:
            return example.id
