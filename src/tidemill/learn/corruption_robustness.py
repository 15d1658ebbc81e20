"""Corruption robustness: accuracy on validation images under six corruptions at five strengths.

The graph that will serve answers. The test set is not used: the gate compares on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tidemill.codecs.image import ImageCodec
from tidemill.codecs.pixels import Limits
from tidemill.data.corruptions import KINDS, STRENGTHS, variants
from tidemill.data.open_snapshot import OpenSnapshot
from tidemill.domain.types import Classes, Example
from tidemill.learn.arrays import EncodedSplit
from tidemill.learn.export import run_graph
from tidemill.learn.network import logits_of
from tidemill.learn.progress import Progress
from tidemill.learn.rows import ArrayRows

IMAGES_AT_ONCE = 8
"""The number of images whose variants are all in memory at once."""
VARIANTS = 1 + len(KINDS) * len(STRENGTHS)
"""Variants of an image: itself, and every kind in every strength."""


@dataclass(frozen=True, slots=True)
class CorruptionRobustness:
    """Accuracy per target: without corruption (`untouched`), and per kind for strengths 1 to 5."""

    examples: int
    untouched: Mapping[str, float]
    kinds: Mapping[str, Mapping[str, tuple[float, ...]]]

    def to_json(self) -> dict[str, Any]:
        """Return plain values for `evaluation.json`."""
        return {
            "examples": self.examples,
            "targets": {
                target: {
                    "untouched": self.untouched[target],
                    "kinds": {kind: list(row) for kind, row in kinds.items()},
                }
                for target, kinds in self.kinds.items()
            },
        }


def draw_examples(snapshot: OpenSnapshot, most: int, seed: int) -> list[Example]:
    """Draw at most `most` validation examples of a snapshot by seed, in their order."""
    count = snapshot.count("val")
    drawn = np.random.default_rng(seed).permutation(count)[:most]
    wanted = set(drawn.tolist())
    return [row for at, row in enumerate(snapshot.rows("val")) if at in wanted]


def measure_robustness(
    path: Path,
    codec: ImageCodec,
    examples: Sequence[Example],
    classes: Classes,
    *,
    seed: int,
    batch_size: int,
    progress: Progress,
) -> CorruptionRobustness:
    """Measure the accuracy of the graph in `path` on every variant of every example.

    Memory stays flat. Each variant is a file again, which the codec decodes like a client's. There
    is at least one example. Raises BadPayload for an image that cannot be decoded.
    """
    right = {target: np.zeros(VARIANTS) for target in classes}
    for start in range(0, len(examples), IMAGES_AT_ONCE):
        part = examples[start : start + IMAGES_AT_ONCE]
        progress.step(start, len(examples))
        inputs = [codec.decode(file) for example in part for file in _files(example, codec, seed)]
        arrays = {name: ArrayRows.of(array) for name, array in codec.encode(inputs).items()}
        outputs = run_graph(path, EncodedSplit(arrays, {}), batch_size=batch_size)
        for target, names in classes.items():
            truth = np.array([names.index(example.labels[target]) for example in part])
            answers = outputs[logits_of(target)].argmax(axis=1).reshape(len(part), VARIANTS)
            right[target] += (answers == truth[:, None]).sum(axis=0)
    shares = {target: count / len(examples) for target, count in right.items()}
    return CorruptionRobustness(
        len(examples),
        {target: float(row[0]) for target, row in shares.items()},
        {target: _by_kind(row[1:]) for target, row in shares.items()},
    )


def _files(example: Example, codec: ImageCodec, seed: int) -> Iterator[bytes]:
    limits = Limits(bytes=codec.settings.max_bytes, pixels=codec.settings.max_pixels)
    yield example.payload
    for _, _, file in variants(example.payload, seed, limits=limits):
        yield file


def _by_kind(row: npt.NDArray[np.float64]) -> dict[str, tuple[float, ...]]:
    grid = row.reshape(len(KINDS), len(STRENGTHS)).tolist()
    return {kind: tuple(values) for kind, values in zip(KINDS, grid, strict=True)}
