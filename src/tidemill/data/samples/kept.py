"""Painted samples on disk: drawn once, kept as pictures that people can open."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from tidemill.data.folder import FolderSource
from tidemill.data.samples.leaves import PAINTER_VERSION, Sample, examples
from tidemill.domain.types import Example
from tidemill.staging import settle, staged


class SampleSource(FolderSource):
    """The pictures of a sample, painted into `root` when they are not there yet.

    The folder's name tells the painter's version and every knob, so another sample never passes
    for this one.
    """

    name = "sample"

    def __init__(self, root: Path, sample: Sample) -> None:
        key = hashlib.sha256(f"{PAINTER_VERSION} {sample!r}".encode()).hexdigest()[:16]
        super().__init__(root / f"leaves-{key}", "disease", suffixes=(".bmp",))
        self._sample = sample

    @property
    def planned(self) -> int:
        """How many pictures the sample has."""
        return self._sample.train + self._sample.val + self._sample.anchor

    def paint(self, progress: Callable[[int], None] = lambda _: None) -> None:
        """Paint the sample when it is not there yet; `progress` hears how many are done.

        Raises StorageFailed; half a sample is never left behind.
        """
        if self.path.is_dir():
            return
        with staged(self.path.parent) as folder:
            for done, example in enumerate(examples(self._sample), start=1):
                file = folder / _place(example)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(example.payload)
                progress(done)
            settle(folder, self.path.name, durable=False)

    def examples(self) -> Iterator[Example]:
        self.paint()
        yield from super().examples()


def _place(example: Example) -> str:
    """Below the folder: `sample/train/rust/000001.bmp` becomes `train/rust/000001.bmp`."""
    place = example.origin.removeprefix("sample/")
    return place.replace("anchor/", "test/", 1) if example.split == "anchor" else place
