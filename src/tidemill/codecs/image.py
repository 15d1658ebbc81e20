"""Convert image files into RGB arrays of one size."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tidemill.codecs.codec import Arrays, Fingerprint, Payload
from tidemill.codecs.image_cost import estimate_image_ns
from tidemill.codecs.image_features import perceptual_hash, visual_features
from tidemill.codecs.pixels import Limits, Pixels, decode, letterbox
from tidemill.domain.errors import BadPayload, UsageError

_Side = Annotated[int, Field(strict=True, ge=1, le=4096)]
_Count = Annotated[int, Field(strict=True, ge=1)]
_Unit = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Spread = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ImageConfig(BaseModel):
    """The codec's configuration. `mean` and `std` are per channel, of pixels in 0..1.

    With `draft`, a JPEG that is far larger than the model's image is decoded at a part of its size,
    four times as fast. It is part of the bundle, so training and serving see the same pixels.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: _Side
    height: _Side
    mean: tuple[_Unit, _Unit, _Unit]
    std: tuple[_Spread, _Spread, _Spread]
    max_bytes: _Count = 20_000_000
    max_pixels: _Count = 40_000_000
    draft: bool = False


IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")


class ImagePayload(Payload):
    """An image inside JSON."""

    image: str = Field(
        description="The bytes of a JPEG, PNG, WebP, BMP, GIF or TIFF file, in base64.",
        examples=[
            "iVBORw0KGgoAAAANSUhEUgAAAAQAAAACCAIAAADwyuo0AAAAEklEQVR4nGO0qVBggAEmBiQA"
            "ABRKANhMMsV6AAAAAElFTkSuQmCC"
        ],
    )

    at_hand: ClassVar[str] = "a Pillow image, an array, "
    suffixes: ClassVar[tuple[str, ...]] = IMAGE_SUFFIXES

    @classmethod
    def from_value(cls, value: Any) -> Self:
        """Return the PNG of a Pillow image or of an array, uint8 [rows, columns(, 3 or 4)].

        It also takes the JSON form. Raises what the base class raises.
        """
        if isinstance(value, np.ndarray):
            value = _from_array(value)
        if not isinstance(value, Image.Image):
            return super().from_value(value)
        file = BytesIO()
        try:
            value.save(file, "PNG")
        except (OSError, ValueError) as error:
            raise BadPayload(
                f"An image of mode {value.mode} and size {value.size} cannot be stored: {error}.",
                hint='Give an open image that has pixels; convert it with image.convert("RGB").',
            ) from error
        return cls.from_bytes(file.getvalue())

    @classmethod
    def canonical(cls, payload: bytes) -> bytes:
        """Return the payload: its bytes are its only spelling."""
        return payload

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """Return the image's file in base64."""
        return cls(image=base64.b64encode(payload).decode())

    def to_bytes(self) -> bytes:
        """Return the file's bytes. Raises BadPayload when `image` is not base64."""
        try:
            return base64.b64decode(self.image, validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadPayload(
                "The field 'image' is not base64.",
                hint="Encode the file's bytes with standard base64, without a 'data:' prefix.",
            ) from error


def _from_array(array: npt.NDArray[Any]) -> Image.Image:
    """Return the image of an array. Raises BadPayload for another type or shape."""
    channels = array.shape[2:] if array.ndim == 3 else ()
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or channels not in ((), (3,), (4,)):
        raise BadPayload(
            f"An array of {array.dtype} {list(array.shape)} is no image.",
            hint="Give uint8 [rows, columns] or [rows, columns, 3].",
        )
    return Image.fromarray(array)


@dataclass(frozen=True, slots=True, eq=False)
class DecodedImage:
    """A decoded image: `pixels` are uint8 `[height, width, 3]`, RGB, letterboxed.

    `inner` is the box (x0, y0, x1, y1) that is not padding; `size` is the upright original's
    (width, height).
    """

    pixels: Pixels
    inner: tuple[int, int, int, int]
    size: tuple[int, int]


class ImageCodec:
    """Fulfils `Codec` for images. It is immutable, so threads may share one.

    The arrays are raw uint8 pixels. Normalisation, `(pixel / 255 - mean) / std`, is the first
    step of the exported graph, so serving cannot normalise differently and a request costs one
    byte per channel.
    """

    kind = "image"
    payload: type[Payload] = ImagePayload

    def __init__(self, settings: ImageConfig) -> None:
        self.settings = settings
        self._limits = Limits(bytes=settings.max_bytes, pixels=settings.max_pixels)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Return the codec that `config` describes.

        Raises UsageError; see ImageConfig for the keys.
        """
        try:
            return cls(ImageConfig.model_validate(dict(config)))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise UsageError(
                f"The image codec cannot take {where!r}: {first['msg']}.",
                hint=f"Its keys are: {', '.join(ImageConfig.model_fields)}.",
            ) from error

    def config(self) -> dict[str, Any]:
        """Return plain values that rebuild this codec."""
        return self.settings.model_dump(mode="json")

    def estimate_ns(self, payload: bytes) -> float:
        """Return an estimate from the file's structure; see `estimate_image_ns`."""
        if len(payload) > self.settings.max_bytes:
            return 0.0  # `decode` refuses it at once
        return estimate_image_ns(payload, self.settings.max_pixels)

    def decode(self, payload: bytes) -> DecodedImage:
        """Decode, turn upright and letterbox one image. Raises BadPayload."""
        width, height = self.settings.width, self.settings.height
        fit = (width, height) if self.settings.draft else None
        image, size = decode(payload, self._limits, fit=fit)
        pixels, inner = letterbox(image, width, height, size)
        return DecodedImage(pixels=pixels, inner=inner, size=size)

    def encode(self, inputs: Sequence[DecodedImage]) -> Arrays:
        """Return `{"image": uint8 [n, height, width, 3]}`, not yet normalised."""
        batch = np.empty((len(inputs), self.settings.height, self.settings.width, 3), np.uint8)
        for row, decoded in zip(batch, inputs, strict=True):
            row[:] = decoded.pixels
        return {"image": batch}

    def features(self, decoded: DecodedImage) -> dict[str, float]:
        """Return brightness, contrast, red, green, blue, saturation, sharpness and aspect.

        Measured without the padding; `aspect` is the original's width over height.
        """
        x0, y0, x1, y1 = decoded.inner
        width, height = decoded.size
        return visual_features(decoded.pixels[y0:y1, x0:x1]) | {"aspect": width / height}

    def fingerprint(self, payload: bytes) -> Fingerprint:
        """Return the fingerprint of the upright RGB pixels at full resolution, whatever the file
        format.

        `exact` is the sha256 of width, height and pixels; `near` a DCT hash. Raises BadPayload.
        """
        image, _ = decode(payload, self._limits)
        head = f"{image.width}x{image.height}:".encode()
        exact = hashlib.sha256(head + image.tobytes()).hexdigest()
        return Fingerprint(exact=exact, near=perceptual_hash(image))
