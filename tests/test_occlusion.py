"""Occlusion: exact where it can be worked out by hand, and right about where a lesion is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tidemill.adapters.onnx import OnnxRuntime
from tidemill.codecs.bitmap import encode_bitmap
from tidemill.codecs.image import ImageCodec
from tidemill.codecs.pixels import GREY
from tidemill.domain.errors import BadPayload, UsageError
from tidemill.learn.arrays import EncodedSplit
from tidemill.learn.export import export
from tidemill.learn.fit import fit
from tidemill.learn.plan import TrainPlan
from tidemill.learn.residual import ResidualCNN
from tidemill.learn.rows import ArrayRows
from tidemill.occlusion import BATCH, OcclusionMap, draw_heat_map, map_occlusion
from tidemill.predictor import Model, Predictor
from tidemill.recipes.shared.leaves import paint
from tidemill.testing.tiny_recipe.codec import PebbleCodec

Pixels = npt.NDArray[np.uint8]
# One worker trains the model that these tests share.
pytestmark = pytest.mark.xdist_group("occlusion")
SIZE = (48, 96)
LABELS = {"state": ("clean", "spotted")}
PLACES = [(y, x) for y in (10, 24, 38) for x in (14, 34, 58, 80)]
"""Where a spot may be: all over the image."""


def spotted(pixels: Pixels, y: int, x: int) -> Pixels:
    """The same leaf with a dark spot."""
    down, across = np.ogrid[: SIZE[0], : SIZE[1]]
    copy = pixels.copy()
    copy[(down - y) ** 2 + (across - x) ** 2 <= 36] = (60, 25, 15)
    return copy


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Learnt to tell healthy painted leaves from the same with a spot."""
    seeds = range(160)
    images = [paint("healthy", seed) for seed in seeds]
    for seed in seeds[::2]:
        images[seed] = spotted(images[seed], *PLACES[seed // 2 % len(PLACES)])
    truth = np.array([1 - seed % 2 for seed in seeds])
    rows = np.stack(images)
    train = EncodedSplit({"image": ArrayRows.of(rows)}, {"state": truth}, ("sample",) * len(seeds))
    network = ResidualCNN({"state": 2}, [0.5] * 3, [0.25] * 3, width=8, seed=0)
    plan = TrainPlan(epochs=6, batch_size=16, learning_rate=0.01, threads=1, averaging=0)
    fitted = fit(network, train, train, plan, seed=0)
    path = tmp_path_factory.mktemp("occlusion") / "model.onnx"
    export(fitted.network, {"state": 1.0}, path, train)
    codec = {"width": 96, "height": 48, "mean": [0.5] * 3, "std": [0.25] * 3}
    return Model(ImageCodec.from_config(codec), LABELS, OnnxRuntime(path.read_bytes()))


@pytest.mark.parametrize(("seed", "place"), [(1001, (10, 14)), (1002, (24, 58)), (1003, (38, 80))])
def test_covering_the_spot_matters_and_covering_anything_else_does_not(
    model: Model, seed: int, place: tuple[int, int]
) -> None:
    y, x = place
    occlusion = map_occlusion(model, encode_bitmap(spotted(paint("healthy", seed), y, x)))
    assert occlusion.label == "spotted"
    rows, columns = occlusion.drops.shape
    row, column = occlusion.explanation("v1").strongest
    # Within one cell of the spot's middle, which the patch spans with its neighbour.
    assert abs((row + 0.5) * SIZE[0] / rows - y) <= 1.5 * SIZE[0] / rows + 3
    assert abs((column + 0.5) * SIZE[1] / columns - x) <= 1.5 * SIZE[1] / columns + 3
    near = np.zeros((rows, columns), bool)
    ys, xs = (
        (np.arange(rows) + 0.5) * SIZE[0] / rows,
        (np.arange(columns) + 0.5) * SIZE[1] / columns,
    )
    near[np.hypot(ys[:, None] - y, xs[None, :] - x) <= 10] = True
    assert occlusion.drops[near].mean() > 5 * np.abs(occlusion.drops[~near]).mean()


def halves(left: Sequence[int], right: Sequence[int], size: tuple[int, int] = (8, 8)) -> bytes:
    """A PNG of two colours."""
    pixels = np.empty((size[1], size[0], 3), np.uint8)
    pixels[:, : size[0] // 2], pixels[:, size[0] // 2 :] = left, right
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


Tiny = Callable[..., Predictor]


def test_a_cells_drop_is_the_mean_over_the_patches_that_cover_it(tiny: Tiny) -> None:
    model = tiny()
    payload = halves((250, 20, 20), (20, 250, 20))
    occlusion = map_occlusion(model, payload, label="miner", grid=(1, 4))
    pixels = np.asarray(Image.open(BytesIO(payload)))
    mean = pixels.mean(axis=(0, 1)).round().astype(np.uint8)

    def probability(start: int, stop: int) -> float:
        covered = pixels.copy()
        covered[:, start:stop] = mean
        (answer,) = model.predict([model.decode(encode_bitmap(covered))])[0]
        return answer.probabilities["miner"]

    whole = probability(0, 0)
    assert occlusion.probability == pytest.approx(whole)
    drops = [whole - probability(start, start + 4) for start in (0, 2, 4)]
    wanted = [drops[0], (drops[0] + drops[1]) / 2, (drops[1] + drops[2]) / 2, drops[2]]
    np.testing.assert_allclose(occlusion.drops, [wanted], atol=1e-6)
    assert drops[0] > 0 > drops[2]  # red speaks for miner, green against
    np.testing.assert_array_equal(
        occlusion.drops,
        map_occlusion(model, payload, target="disease", label="miner", grid=(1, 4)).drops,
    )


def test_a_image_of_one_colour_has_nothing_to_cover(
    tiny: Tiny, paint: Callable[[Sequence[int]], bytes]
) -> None:
    occlusion = map_occlusion(tiny(), paint((20, 250, 20)))
    assert occlusion.label == "healthy"
    assert occlusion.drops.shape == (8, 8)
    assert not occlusion.drops.any()


class Watched:
    """A runtime that remembers how many images it was given at a time."""

    alone = False

    def __init__(self, model: bytes) -> None:
        self._inner, self.sizes, self.batches = OnnxRuntime(model), list[int](), list[Pixels]()

    def terminate(self) -> None:
        """Its runs are short."""

    def run(self, arrays: Any) -> dict[str, Any]:
        self.sizes.append(len(arrays["image"]))
        self.batches.append(arrays["image"])
        return self._inner.run(arrays)


def test_the_padding_is_never_covered_and_batches_stay_small(tiny: Tiny) -> None:
    bundle = tiny(side=32).bundle
    runtime = Watched(bundle.model)
    model = Model(bundle.codec, bundle.classes, runtime)
    occlusion = map_occlusion(model, halves((250, 20, 20), (20, 20, 250), (64, 32)))
    assert occlusion.pixels.shape == (16, 32, 3)
    assert max(runtime.sizes) == BATCH
    rows, columns = occlusion.drops.shape
    assert (rows, columns) == (12, 24)
    assert sum(runtime.sizes) == 1 + (rows - 1) * (columns - 1)
    inputs = np.concatenate(runtime.batches)
    assert (inputs[:, :8] == GREY).all()
    assert (inputs[:, 24:] == GREY).all()


@pytest.mark.parametrize(
    ("size", "shape"), [((8, 8), (8, 8)), ((8, 2), (2, 8)), ((8, 1), (1, 8)), ((1, 8), (8, 1))]
)
def test_cells_are_no_smaller_than_a_pixel(
    tiny: Tiny, size: tuple[int, int], shape: tuple[int, int]
) -> None:
    occlusion = map_occlusion(tiny(), halves((250, 20, 20), (20, 250, 20), size))
    assert occlusion.drops.shape == shape


def test_any_target_may_be_asked_about(tiny: Tiny) -> None:
    model = tiny({"disease": ("miner", "healthy", "phoma"), "sort": ("red", "green")})
    payload = halves((250, 20, 20), (20, 250, 20))
    assert map_occlusion(model, payload).target == "disease"
    occlusion = map_occlusion(model, payload, target="sort", label="green")
    assert (occlusion.target, occlusion.label) == ("sort", "green")
    assert occlusion.drops.max() > 0 > occlusion.drops.min()


def test_what_cannot_be_explained_is_said(tiny: Tiny) -> None:
    model = tiny()
    payload = halves((250, 20, 20), (20, 250, 20))
    with pytest.raises(UsageError, match="'colour'") as caught:
        map_occlusion(model, payload, target="colour")
    assert "disease" in caught.value.hint
    with pytest.raises(UsageError, match="'rot'") as caught:
        map_occlusion(model, payload, label="rot")
    assert "miner" in caught.value.hint
    for grid in ((9, 8), (8, 9), (0, 1)):
        with pytest.raises(UsageError, match="grid"):
            map_occlusion(model, payload, grid=grid)
    with pytest.raises(BadPayload):
        map_occlusion(model, b"no image")


def test_only_images_are_explained(tiny: Tiny) -> None:
    bundle = tiny().bundle
    pebbles = PebbleCodec.from_config({"max_bytes": 100})
    with pytest.raises(UsageError, match="takes pebble"):
        map_occlusion(Model(pebbles, bundle.classes, OnnxRuntime(bundle.model)), b"{}")


def drawn(drops: list[list[float]], size: tuple[int, int] = (40, 80)) -> npt.NDArray[np.int16]:
    pixels = np.full((*size, 3), 100, np.uint8)
    occlusion = OcclusionMap("disease", "rust", 0.9, np.array(drops), pixels)
    with Image.open(BytesIO(draw_heat_map(occlusion))) as opened:
        assert opened.format == "PNG"
        return np.asarray(opened, np.int16)


def test_the_heat_is_red_where_it_mattered_and_blue_where_it_misled() -> None:
    shown = drawn([[0.4, 0.0, -0.4]])
    assert shown.shape == (240, 480, 3)
    left, middle, right = shown[120, 20], shown[120, 240], shown[120, 460]
    assert left[0] > left[2] + 80
    assert np.ptp(middle) <= 2
    assert right[2] > right[0] + 80


def test_where_nothing_matters_nothing_glows() -> None:
    assert np.ptp(drawn([[0.001, -0.001]]), axis=2).max() < 8
    assert not np.ptp(drawn([[0.0]]), axis=2).any()
