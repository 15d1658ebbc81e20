"""Painted samples on disk: drawn once, kept as pictures that people can open."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from tidemill.data.folder import FolderSource
from tidemill.data.samples.leaves import PAINTER_VERSION, Sample, examples
from tidemill.domain.types import Example
from tidemill.staging import settle, staged


class SampleSource(FolderSource):
    """The pictures of a sample below `root`; `prepare` paints them when they are not there yet.

    The folder's name tells the painter's version and every knob, so another sample never passes
    for this one.
    """

    name = "sample"

    def __init__(self, root: Path, sample: Sample) -> None:
        key = hashlib.sha256(f"{PAINTER_VERSION} {sample!r}".encode()).hexdigest()[:16]
        super().__init__(root / f"leaves-{key}", "disease", suffixes=(".bmp",))
        self._sample = sample

    def prepare(self, progress: Callable[[int, int], None]) -> None:
        """Paint the sample when it is not there yet; half of one is never left behind.

        Raises StorageFailed.
        """
        if self.path.is_dir():
            return
        total = self._sample.train + self._sample.val + self._sample.anchor
        with staged(self.path.parent) as folder:
            for done, example in enumerate(examples(self._sample), start=1):
                file = folder / _place(example)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(example.payload)
                progress(done, total)
            settle(folder, self.path.name, durable=False)


def _place(example: Example) -> str:
    """Below the folder: `sample/train/rust/000001.bmp` becomes `train/rust/000001.bmp`."""
    place = example.origin.removeprefix("sample/")
    return place.replace("anchor/", "test/", 1) if example.split == "anchor" else place
