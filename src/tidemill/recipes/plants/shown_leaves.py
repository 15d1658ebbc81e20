"""Leaves to show: the golden samples of a model, by a name that their bytes give."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from PIL import Image

from tidemill.bundle import Golden
from tidemill.codecs.pixels import Pixels
from tidemill.domain.errors import NotFound
from tidemill.domain.types import payload_id

DIGITS = 16


def name_of(payload: bytes) -> str:
    """The file name of a leaf, the same on every server."""
    return f"{payload_id(payload)[:DIGITS]}.png"


def sample_of(samples: Sequence[Golden], name: str) -> Golden:
    """The sample of that name. Raises NotFound."""
    for sample in samples:
        if name_of(sample.payload) == name:
            return sample
    raise NotFound(
        f"The model that is served has no sample {name!r}.",
        hint="POST /predict-random names one; a new champion has others.",
    )


def as_png(pixels: Pixels) -> bytes:
    """An image, as the model sees it, in a format that every browser shows."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
