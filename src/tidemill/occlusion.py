"""Occlusion maps: how the probability of an answer falls when parts of the image are covered.

The occlusion map of M. D. Zeiler and R. Fergus, "Visualizing and Understanding Convolutional
Networks" (ECCV 2014, section 4.2), computed with the serving model and runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from tidemill.codecs.image import DecodedImage, ImageCodec
from tidemill.codecs.pixels import Pixels
from tidemill.domain.errors import UsageError
from tidemill.domain.types import Explanation
from tidemill.predictor import Model

Floats = npt.NDArray[np.float64]
Grid = tuple[int, int]

CELLS = 12
"""Cells along the shorter side of an image; along the longer one, twice as many at most."""
REACH = 2
"""The number of cells along each side of the patch. It moves by one cell, so patches overlap."""
BATCH = 16
"""The number of covered images per model run, so that other requests are not blocked."""
SHOWN = 480
"""Pixels of the longer side of the heat image."""
FAINT = 0.05
"""The smallest drop that gets full colour, so that noise stays pale."""
WARM, COLD = (220, 30, 20), (30, 80, 220)


@dataclass(frozen=True, slots=True, eq=False)
class OcclusionMap:
    """The map of one answer. `pixels` are the image as the model saw it, without padding.

    `drops` [rows, columns]: how far the probability of `label` fell, on average, when a cell was
    covered; negative where it rose.
    """

    target: str
    label: str
    probability: float
    drops: Floats
    pixels: Pixels

    def explanation(self, version: str) -> Explanation:
        """Return the map as people get it, with its heat map."""
        drops = tuple(map(tuple, self.drops.tolist()))
        image = draw_heat_map(self)
        return Explanation(version, self.target, self.label, self.probability, drops, image)


def map_occlusion(
    model: Model,
    payload: bytes,
    *,
    target: str | None = None,
    label: str | None = None,
    grid: Grid | None = None,
) -> OcclusionMap:
    """Cover the image patch by patch and predict each time.

    The patch has the mean colour of the image and spans REACH cells of `grid` (rows, columns) each
    way; a cell's drop is the mean over the patches that cover it. `target` defaults to the model's
    first, `label` to the predicted one, and `grid` to about square cells. Raises BadPayload, and
    UsageError for a model of something other than images, for a name that the model does not have
    and for a grid finer than the pixels.
    """
    require_images(model)
    decoded: DecodedImage = model.codec.decode(payload)
    return occlude(model, decoded, target=target, label=label, grid=grid)


def require_images(model: Model) -> None:
    """Raise UsageError for a model of something other than images."""
    if not isinstance(model.codec, ImageCodec):
        raise UsageError(
            f"Only answers to images are explained, and this model takes {model.codec.kind}."
        )


def occlude(
    model: Model,
    decoded: DecodedImage,
    *,
    target: str | None = None,
    label: str | None = None,
    grid: Grid | None = None,
) -> OcclusionMap:
    """Do what `map_occlusion` does, for an image that is decoded already."""
    target = _target(model, target)
    names = model.classes[target]
    if label is not None and label not in names:
        raise UsageError(f"{target} has no label {label!r}.", hint=f"It has {', '.join(names)}.")
    x0, y0, x1, y1 = decoded.inner
    rows, columns = _grid(y1 - y0, x1 - x0) if grid is None else grid
    if not (1 <= rows <= y1 - y0 and 1 <= columns <= x1 - x0):
        raise UsageError(f"A grid of {rows} x {columns} does not fit {y1 - y0} x {x1 - x0} pixels.")
    untouched = model.predict_probabilities([decoded])[target][0]
    at = int(untouched.argmax()) if label is None else list(names).index(label)
    drops = _drops(
        model,
        decoded,
        (rows, columns),
        lambda probabilities: untouched[at] - probabilities[target][:, at],
    )
    return OcclusionMap(
        target, names[at], float(untouched[at]), drops, decoded.pixels[y0:y1, x0:x1]
    )


def draw_heat_map(occlusion: OcclusionMap) -> bytes:
    """The map over the grey image, as PNG: red where covering lowered the probability.

    Blue is where it rose. Full colour is the largest drop, or FAINT.
    """
    height, width = occlusion.pixels.shape[:2]
    scale = SHOWN / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    shown = Image.fromarray(occlusion.pixels).resize(size, Image.Resampling.BILINEAR)
    drops = occlusion.drops / max(FAINT, float(np.abs(occlusion.drops).max()))
    heat = Image.fromarray(drops.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    strength = np.asarray(heat)[..., None]
    grey = np.asarray(shown.convert("L"), np.float32)[..., None]
    colour = np.where(strength > 0, np.array(WARM, np.float32), np.array(COLD, np.float32))
    share = np.abs(strength) * 0.75
    mixed = grey * (1 - share) + colour * share
    file = BytesIO()
    Image.fromarray(mixed.round().clip(0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def _target(model: Model, target: str | None) -> str:
    if target is None:
        return next(iter(model.classes))
    if target not in model.classes:
        raise UsageError(
            f"The model has no target {target!r}.", hint=f"It has {', '.join(model.classes)}."
        )
    return target


def _drops(
    model: Model,
    decoded: DecodedImage,
    grid: Grid,
    dropped: Callable[[Mapping[str, Floats]], Floats],
) -> Floats:
    """Return the mean drop of each cell [rows, columns]; `dropped` reads those of a batch."""
    total, covered = np.zeros(grid), np.zeros(grid)
    patches = list(_patches(*grid))
    images = _covered(decoded, patches, grid)
    for start in range(0, len(patches), BATCH):
        part = patches[start : start + BATCH]
        drops = dropped(model.predict_probabilities([next(images) for _ in part]))
        for patch, drop in zip(part, drops, strict=True):
            total[patch] += drop
            covered[patch] += 1
    return total / covered


def _grid(height: int, width: int) -> Grid:
    """Return rows and columns of about square cells, none smaller than a pixel."""
    cell = max(1.0, min(height, width) / CELLS, max(height, width) / (2 * CELLS))
    return max(1, round(height / cell)), max(1, round(width / cell))


def _patches(rows: int, columns: int) -> Iterator[tuple[slice, slice]]:
    """Yield the cells under each patch; together they are all."""
    for row in range(max(1, rows - REACH + 1)):
        for column in range(max(1, columns - REACH + 1)):
            yield slice(row, min(rows, row + REACH)), slice(column, min(columns, column + REACH))


def _covered(
    decoded: DecodedImage, patches: list[tuple[slice, slice]], grid: Grid
) -> Iterator[DecodedImage]:
    """Yield the image with each patch in turn painted over."""
    x0, y0, x1, y1 = decoded.inner
    mean = decoded.pixels[y0:y1, x0:x1].mean(axis=(0, 1)).round().astype(np.uint8)
    ys = np.linspace(y0, y1, grid[0] + 1).round().astype(int)
    xs = np.linspace(x0, x1, grid[1] + 1).round().astype(int)
    for down, across in patches:
        pixels = decoded.pixels.copy()
        pixels[ys[down.start] : ys[down.stop], xs[across.start] : xs[across.stop]] = mean
        yield replace(decoded, pixels=pixels)
