"""The leaves that the demo page shows: the golden samples of a model, named by their digest."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from PIL import Image

from tidemill.bundle import Golden
from tidemill.codecs.pixels import Pixels
from tidemill.domain.errors import NotFound
from tidemill.domain.types import payload_id

NAME_DIGITS = 16


def leaf_name(payload: bytes) -> str:
    """Return the file name of a leaf, which is the same on every server."""
    return f"{payload_id(payload)[:NAME_DIGITS]}.png"


def find_leaf(samples: Sequence[Golden], name: str) -> Golden:
    """Return the sample with that name. Raises NotFound."""
    for sample in samples:
        if leaf_name(sample.payload) == name:
            return sample
    raise NotFound(
        f"The served model has no sample {name!r}.",
        hint="POST /predict-random names one; a new champion has other samples.",
    )


def encode_png(pixels: Pixels) -> bytes:
    """Return the model's view of an image as a PNG file."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
