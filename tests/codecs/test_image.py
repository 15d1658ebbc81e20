"""The image codec reads what people send, and refuses the rest with a sentence."""

from __future__ import annotations

import base64
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageFilter

from tidemill.codecs.codec import open_codec
from tidemill.codecs.image import ImageCodec, ImagePayload
from tidemill.codecs.pixels import FORMATS, GREY
from tidemill.domain.errors import BadPayload, UsageError

CONFIG: dict[str, Any] = {
    "width": 96,
    "height": 48,
    "mean": [0.4, 0.5, 0.3],
    "std": [0.2, 0.25, 0.2],
}


@pytest.fixture
def codec() -> ImageCodec:
    return ImageCodec.from_config(CONFIG)


def scene(width: int = 96, height: int = 48) -> Image.Image:
    """Smooth, coloured and without any symmetry."""
    y, x = np.mgrid[0:height, 0:width]
    red = 40 + 150 * x / width
    green = 200 - 120 * y / height + 30 * np.sin(x / 7)
    blue = 60 + 90 * ((x / width) * (y / height)) + 40 * np.cos((x + 2 * y) / 11)
    return Image.fromarray(np.stack([red, green, blue], axis=2).astype(np.uint8))


def patchwork(width: int = 300, height: int = 150) -> Image.Image:
    """Lumps of every size down to a sixteenth of the image, as in a photo."""
    lumps = np.random.default_rng(5).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return Image.fromarray(lumps).resize((width, height), Image.Resampling.BICUBIC)


def file_of(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def pixels_of(image: Image.Image) -> npt.NDArray[np.uint8]:
    return np.asarray(image)


def flat(*colour: int) -> bytes:
    return file_of(Image.new("RGB", (96, 48), (colour[0], colour[1], colour[2])))


def png_header(width: int, height: int) -> bytes:
    """A complete PNG that claims a size and holds next to nothing."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 100)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def bits_between(one: int, other: int) -> int:
    return (one ^ other).bit_count()


def test_the_entry_point_finds_it(codec: ImageCodec) -> None:
    assert isinstance(open_codec("image", codec.config()), ImageCodec)


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF"])
def test_a_image_of_the_right_size_comes_through_untouched(codec: ImageCodec, format: str) -> None:
    decoded = codec.decode(file_of(scene(), format))
    assert np.array_equal(decoded.pixels, pixels_of(scene()))
    assert decoded.inner == (0, 0, 96, 48)
    assert decoded.size == (96, 48)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_read(codec: ImageCodec, format: str) -> None:
    difference = codec.decode(file_of(scene(), format)).pixels.astype(int) - pixels_of(scene())
    assert np.abs(difference).mean() < 6


def test_of_an_animation_the_first_frame(codec: ImageCodec) -> None:
    frames = [Image.new("RGB", (96, 48), colour) for colour in ("red", "blue")]
    payload = file_of(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert codec.decode(payload).pixels[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("mode", "format"),
    [("L", "PNG"), ("1", "PNG"), ("P", "PNG"), ("P", "GIF"), ("L", "JPEG"), ("CMYK", "TIFF")],
)
def test_a_mode_becomes_rgb(codec: ImageCodec, mode: str, format: str) -> None:
    image = scene().convert(mode)
    pixels = codec.decode(file_of(image, format)).pixels
    assert pixels.shape == (48, 96, 3)
    expected = pixels_of(image.convert("RGB")).astype(int)
    assert np.abs(pixels.astype(int) - expected).mean() < 3


def test_a_cmyk_jpeg_keeps_its_colours(codec: ImageCodec) -> None:
    red = Image.new("RGB", (96, 48), (230, 30, 40)).convert("CMYK")
    pixel = codec.decode(file_of(red, "JPEG", quality=95)).pixels[20, 20]
    assert pixel[0] > 200
    assert max(pixel[1], pixel[2]) < 70


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_lies_on_white(codec: ImageCodec, mode: str) -> None:
    image = Image.new("RGBA", (96, 48), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 48, 48))
    format = "TIFF" if mode == "PA" else "PNG"
    pixels = codec.decode(file_of(image.convert(mode), format)).pixels
    assert pixels[10, 10].tolist() == [0, 0, 0]
    assert pixels[10, 80].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_a_transparent_colour_lies_on_white(codec: ImageCodec, mode: str) -> None:
    image = Image.new("RGB", (96, 48), (0, 0, 0)).convert(mode)
    key = (0, 0, 0) if mode == "RGB" else 0
    pixels = codec.decode(file_of(image, transparency=key)).pixels
    assert pixels[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_not_cut(codec: ImageCodec, format: str) -> None:
    deep = np.full((48, 96), 128 * 257, dtype=np.uint16)
    deep[:, 48:] = 65535
    pixels = codec.decode(file_of(Image.fromarray(deep), format)).pixels
    assert pixels[0, 0].tolist() == [128, 128, 128]
    assert pixels[0, 95].tolist() == [255, 255, 255]


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_32_bit_pixels_are_refused(codec: ImageCodec, kind: type) -> None:
    payload = file_of(Image.fromarray(np.zeros((48, 96), dtype=kind)), "TIFF")
    with pytest.raises(BadPayload, match="32-bit"):
        codec.decode(payload)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(codec: ImageCodec, format: str, orientation: int) -> None:
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    upright = scene()
    turn = undo.get(orientation)
    stored = upright if turn is None else upright.transpose(Image.Transpose(turn))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, Any] = {"quality": 95} if format in ("JPEG", "WEBP") else {}
    decoded = codec.decode(file_of(stored, format, exif=exif, **options))
    assert decoded.size == (96, 48)
    assert np.abs(decoded.pixels.astype(int) - pixels_of(upright)).mean() < 6


def test_a_bomb_is_refused_from_its_header(codec: ImageCodec) -> None:
    payload = png_header(50_000, 50_000)
    assert len(payload) < 200
    with pytest.raises(BadPayload, match="50000 x 50000"):
        codec.decode(payload)
    with pytest.raises(BadPayload, match="50000 x 50000"):
        codec.fingerprint(payload)


def test_too_many_pixels_for_this_codec() -> None:
    codec = ImageCodec.from_config(CONFIG | {"max_pixels": 96 * 48})
    codec.decode(file_of(scene()))
    with pytest.raises(BadPayload, match="limit is 4,608"):
        codec.decode(file_of(scene(97, 48)))


def test_too_many_bytes() -> None:
    payload = file_of(scene())
    ImageCodec.from_config(CONFIG | {"max_bytes": len(payload)}).decode(payload)
    with pytest.raises(BadPayload, match="bytes; the limit"):
        ImageCodec.from_config(CONFIG | {"max_bytes": len(payload) - 1}).decode(payload)


@pytest.mark.parametrize("format", FORMATS)
def test_a_truncated_image_is_refused(codec: ImageCodec, format: str) -> None:
    payload = file_of(scene(200, 100), format)
    for share in (0.02, 0.5):
        with pytest.raises(BadPayload, match=r"cannot be|not an image"):
            codec.decode(payload[: int(len(payload) * share)])


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"", "empty"),
        (b"my leaf looks ill", "not an image"),
        (b"\xff\xd8\xff", "header"),
        (b"%PDF-1.7 and more", "not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
    ],
)
def test_what_is_no_image_is_refused(codec: ImageCodec, payload: bytes, says: str) -> None:
    with pytest.raises(BadPayload, match=says) as caught:
        codec.decode(payload)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("size", "inner"),
    [
        ((192, 96), (0, 0, 96, 48)),
        ((50, 50), (24, 0, 72, 48)),
        ((400, 100), (0, 12, 96, 36)),
        ((48, 24), (0, 0, 96, 48)),
        ((5000, 1), (0, 23, 96, 24)),
    ],
)
def test_letterbox_keeps_the_aspect_ratio(
    codec: ImageCodec, size: tuple[int, int], inner: tuple[int, int, int, int]
) -> None:
    decoded = codec.decode(file_of(Image.new("RGB", size, (200, 10, 10))))
    assert decoded.inner == inner
    assert decoded.size == size
    x0, y0, x1, y1 = inner
    assert (decoded.pixels[y0:y1, x0:x1] == (200, 10, 10)).all()
    outside = np.ones((48, 96), dtype=bool)
    outside[y0:y1, x0:x1] = False
    assert (decoded.pixels[outside] == GREY).all()


def test_threads_may_share_a_codec(codec: ImageCodec) -> None:
    payloads = [file_of(scene(90 + n, 60), FORMATS[n % len(FORMATS)]) for n in range(24)]
    alone = [codec.decode(payload).pixels for payload in payloads]
    with ThreadPoolExecutor(8) as pool:
        together = [decoded.pixels for decoded in pool.map(codec.decode, payloads)]
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_encode_stacks_raw_pixels(codec: ImageCodec) -> None:
    inputs = [codec.decode(file_of(scene())), codec.decode(flat(9, 8, 7))]
    image = codec.encode(inputs)["image"]
    assert image.dtype == np.uint8
    assert image.shape == (2, 48, 96, 3)
    assert image[1, 0, 0].tolist() == [9, 8, 7]
    assert codec.encode([])["image"].shape == (0, 48, 96, 3)


def test_config_round_trip(codec: ImageCodec) -> None:
    again = ImageCodec.from_config(codec.config())
    assert again.config() == codec.config()
    assert codec.config() == CONFIG | {
        "max_bytes": 20_000_000,
        "max_pixels": 40_000_000,
        "draft": False,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"width": 0},
        {"width": "96"},
        {"height": 48.0},
        {"mean": [0.5, 0.5]},
        {"mean": [0.5, 0.5, 128]},
        {"std": [0.2, 0, 0.2]},
        {"std": [0.2, float("nan"), 0.2]},
        {"max_bytes": -1},
        {"hight": 48},
    ],
)
def test_a_value_it_cannot_take(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(change))):
        ImageCodec.from_config(CONFIG | change)


def test_a_missing_key() -> None:
    with pytest.raises(UsageError, match="width"):
        ImageCodec.from_config({"height": 48})


@pytest.mark.parametrize(
    ("colour", "brightness", "saturation"),
    [((0, 0, 0), 0, 0), ((255, 255, 255), 1, 0), ((255, 0, 0), 0.299, 1)],
)
def test_features_of_one_colour(
    codec: ImageCodec, colour: tuple[int, int, int], brightness: float, saturation: float
) -> None:
    features = codec.features(codec.decode(flat(*colour)))
    expected = dict(zip(("red", "green", "blue"), (c / 255 for c in colour), strict=True))
    expected |= {"brightness": brightness, "saturation": saturation, "aspect": 2.0}
    assert features == pytest.approx(expected | {"contrast": 0, "sharpness": 0}, abs=1e-6)


def test_half_black_half_white_has_the_greatest_contrast(codec: ImageCodec) -> None:
    image = Image.new("RGB", (96, 48))
    image.paste((255, 255, 255), (0, 0, 48, 48))
    assert codec.features(codec.decode(file_of(image)))["contrast"] == pytest.approx(0.5)


def test_blur_lowers_sharpness(codec: ImageCodec) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (48, 96, 3), dtype=np.uint8)
    sharp = Image.fromarray(noise)
    soft = sharp.filter(ImageFilter.GaussianBlur(1.5))
    of = {
        n: codec.features(codec.decode(file_of(p))) for n, p in (("sharp", sharp), ("soft", soft))
    }
    assert of["soft"]["sharpness"] < 0.1 * of["sharp"]["sharpness"]


def test_padding_is_not_measured(codec: ImageCodec) -> None:
    features = codec.features(codec.decode(file_of(Image.new("RGB", (30, 60), (255, 255, 255)))))
    assert features["brightness"] == pytest.approx(1)
    assert features["contrast"] == pytest.approx(0, abs=1e-6)
    assert features["aspect"] == 0.5


def test_a_sliver_has_features(codec: ImageCodec) -> None:
    features = codec.features(codec.decode(file_of(scene(5000, 1))))
    assert features["sharpness"] == 0
    assert all(np.isfinite(list(features.values())))


def test_fingerprint_looks_through_the_container(codec: ImageCodec) -> None:
    png, bmp = (codec.fingerprint(file_of(scene(), format)) for format in ("PNG", "BMP"))
    assert png == bmp
    opaque = codec.fingerprint(file_of(scene().convert("RGBA")))
    assert opaque == png


def test_fingerprint_of_a_turned_photo_is_that_of_the_upright_one(codec: ImageCodec) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = scene().transpose(Image.Transpose.ROTATE_90)
    assert codec.fingerprint(file_of(turned, exif=exif)) == codec.fingerprint(file_of(scene()))


def test_one_changed_pixel_is_not_identical_but_near(codec: ImageCodec) -> None:
    changed = patchwork()
    changed.putpixel((3, 4), (0, 0, 0))
    one, other = codec.fingerprint(file_of(patchwork())), codec.fingerprint(file_of(changed))
    assert one.exact != other.exact
    assert bits_between(one.near, other.near) <= 4


def test_the_shape_is_part_of_the_exact_fingerprint(codec: ImageCodec) -> None:
    wide, tall = (file_of(Image.new("RGB", size, (7, 7, 7))) for size in ((8, 4), (4, 8)))
    assert codec.fingerprint(wide).exact != codec.fingerprint(tall).exact


def test_re_encoding_and_scaling_stay_near_and_a_mirror_does_not(codec: ImageCodec) -> None:
    original = codec.fingerprint(file_of(patchwork()))
    jpeg = codec.fingerprint(file_of(patchwork(), "JPEG", quality=60))
    small = codec.fingerprint(file_of(patchwork().resize((150, 75))))
    mirror = codec.fingerprint(file_of(patchwork().transpose(Image.Transpose.FLIP_LEFT_RIGHT)))
    assert jpeg.exact != original.exact
    assert bits_between(original.near, jpeg.near) <= 6
    assert bits_between(original.near, small.near) <= 6
    assert bits_between(original.near, mirror.near) > 16
    assert 0 <= original.near < 2**64


def test_json_payload(codec: ImageCodec) -> None:
    text = base64.b64encode(file_of(scene())).decode()
    decoded = codec.decode(ImagePayload(image=text).to_bytes())
    assert np.array_equal(decoded.pixels, pixels_of(scene()))


@pytest.mark.parametrize("text", ["not base64!", "data:image/png;base64,AAAA", "AAA", "лист"])
def test_json_payload_that_is_not_base64(text: str) -> None:
    with pytest.raises(BadPayload, match="base64") as caught:
        ImagePayload(image=text).to_bytes()
    assert caught.value.hint


def test_the_documented_example_is_a_image(codec: ImageCodec) -> None:
    field = ImagePayload.model_json_schema()["properties"]["image"]
    assert "base64" in field["description"]
    assert codec.decode(ImagePayload(image=field["examples"][0]).to_bytes()).size == (4, 2)


def test_the_json_of_a_image_leads_back_to_its_bytes() -> None:
    assert ImagePayload.from_bytes(b"\x00\xff any bytes").to_bytes() == b"\x00\xff any bytes"
