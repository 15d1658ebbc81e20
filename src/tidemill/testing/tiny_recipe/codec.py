"""Pebbles: a few numbers as JSON become one row of an array."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tidemill.codecs.codec import Arrays, Fingerprint, Payload
from tidemill.domain.errors import BadPayload
from tidemill.validation import validate

MEASURED = ("gloss", "length", "weight")
"""The columns of the array, in their order."""


class Pebble(Payload):
    """One pebble's measurements: the payload's JSON form, and the decoded payload too."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    gloss: float = Field(description="How it shines, in percent.", examples=[40.0])
    length: float = Field(description="Its longest side, in millimetres.", examples=[50.0])
    weight: float = Field(description="In grams.", examples=[100.0])

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """Return the measurements. Raises BadPayload; canonical bytes come back as they are."""
        try:
            return cls.model_validate_json(payload)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "JSON"
            raise BadPayload(
                f"This is no pebble: {where}: {first['msg']}.",
                hint=f"Send a JSON object with the numbers {', '.join(MEASURED)}.",
            ) from error

    def to_bytes(self) -> bytes:
        """Return the canonical bytes: sorted keys, no spaces."""
        return json.dumps(self.model_dump(), sort_keys=True, separators=(",", ":")).encode()


class PebbleConfig(BaseModel):
    """The codec's configuration: how long a payload may be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_bytes: int = Field(strict=True, ge=1)


class PebbleCodec:
    """Fulfils `Codec` for pebbles. Holds nothing that changes: threads may share one."""

    kind = "pebble"
    payload: type[Payload] = Pebble

    def __init__(self, settings: PebbleConfig) -> None:
        self.settings = settings

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Return the codec that `config` describes.

        Raises UsageError for a value it cannot take.
        """
        return cls(validate(PebbleConfig, config))

    def config(self) -> dict[str, Any]:
        """Plain values that rebuild this codec."""
        return self.settings.model_dump(mode="json")

    def estimate_ns(self, payload: bytes) -> float:
        """Return an estimate from the length."""
        return 200.0 * len(payload)

    def decode(self, payload: bytes) -> Pebble:
        """Decode one pebble. Raises BadPayload."""
        if len(payload) > self.settings.max_bytes:
            raise BadPayload(
                f"{len(payload)} bytes are too many for a pebble.",
                hint=f"At most {self.settings.max_bytes} may be.",
            )
        return Pebble.from_bytes(payload)

    def encode(self, inputs: Sequence[Pebble]) -> Arrays:
        """`{"pebble": float32 [n, 3]}`, as measured; the exported graph normalises."""
        rows = [[getattr(decoded, name) for name in MEASURED] for decoded in inputs]
        return {"pebble": np.array(rows, np.float32).reshape(len(inputs), len(MEASURED))}

    def features(self, decoded: Pebble) -> dict[str, float]:
        """Return the measurements themselves."""
        return {name: getattr(decoded, name) for name in MEASURED}

    def fingerprint(self, payload: bytes) -> Fingerprint:
        """Return the fingerprint of the canonical bytes of any JSON form. Raises BadPayload.

        Pebbles have no near-duplicates: `near` is a part of the digest, so that two different ones
        are about 32 bits apart.
        """
        digest = hashlib.sha256(self.decode(payload).to_bytes()).digest()
        return Fingerprint(exact=digest.hex(), near=int.from_bytes(digest[:8], "big"))
