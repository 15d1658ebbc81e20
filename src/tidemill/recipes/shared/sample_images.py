"""Painted samples on disk: drawn once, kept as images that people can open."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from tidemill.data.folder import FolderSource, Naming
from tidemill.domain.types import Example
from tidemill.recipes.shared.leaves import PAINTER_VERSION, Sample, examples
from tidemill.staging import publish_folder, stage_folder


class SampleSource(FolderSource):
    """The images of a sample below `root`; `prepare` paints them when they are not there yet.

    The folder's name tells what is painted, the painter's version and every knob, so another
    sample never passes for this one. `paint` gives the examples, coffee leaves by default, and
    `labels` what their classes say, where that is more than the disease.
    """

    name = "sample"

    def __init__(
        self,
        root: Path,
        sample: Sample,
        *,
        kind: str = "leaves",
        version: int = PAINTER_VERSION,
        paint: Callable[[Sample], Iterator[Example]] = examples,
        labels: Naming | None = None,
    ) -> None:
        key = hashlib.sha256(f"{version} {sample!r}".encode()).hexdigest()[:16]
        super().__init__(root / f"{kind}-{key}", "disease", suffixes=(".bmp",), labels=labels)
        self._sample = sample
        self._paint = paint

    def prepare(self, progress: Callable[[int, int], None]) -> None:
        """Paint the sample when it is not there yet; half of one is never left behind.

        Raises StorageFailed.
        """
        if self.path.is_dir():
            return
        total = self._sample.train + self._sample.val + self._sample.test
        with stage_folder(self.path.parent) as folder:
            for done, example in enumerate(self._paint(self._sample), start=1):
                file = folder / _place(example)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(example.payload)
                progress(done, total)
            publish_folder(folder, self.path.name, durable=False)


def _place(example: Example) -> str:
    """Below the folder: `sample/train/rust/000001.bmp` becomes `train/rust/000001.bmp`."""
    place = example.origin.removeprefix("sample/")
    return place.replace("test/", "test/", 1) if example.split == "test" else place
