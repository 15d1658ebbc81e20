"""Herds: the animals of a payload become rows of an array, and each of them is an item."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tidemill.codecs.codec import Arrays, Fingerprint, Payload
from tidemill.domain.errors import BadPayload


class Animal(BaseModel):
    """One animal."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    height: float
    id: str = Field(min_length=1)
    weight: float


class Herd(Payload):
    """The animals that are asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    animals: list[Animal] = Field(min_length=1)

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """The herd. Raises BadPayload; canonical bytes come back as they are."""
        try:
            return cls.model_validate_json(payload)
        except ValidationError as error:
            raise BadPayload("This is no herd.") from error

    def to_bytes(self) -> bytes:
        """The canonical bytes: sorted keys, no spaces."""
        return json.dumps(self.model_dump(), sort_keys=True, separators=(",", ":")).encode()


@dataclass(frozen=True, eq=False)
class DecodedHerd:
    """A herd that was read: `rows` [n, 2] are weight and height."""

    names: tuple[str, ...]
    rows: npt.NDArray[np.float32]


class HerdCodec:
    """Fulfils `ManyCodec`. `readings` counts how often a payload was read; `year` tells two apart.

    Counting is all that changes, and tests alone look at it.
    """

    kind = "herd"
    payload: type[Payload] = Herd

    def __init__(self, year: int) -> None:
        self.year = year
        self.readings = 0

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return cls(**config)

    def config(self) -> dict[str, Any]:
        return {"year": self.year}

    def estimate_ns(self, payload: bytes) -> float:
        return 100.0 * len(payload)

    def decode(self, payload: bytes) -> DecodedHerd:
        animals = self._animals(payload)
        rows = [[animal.weight, animal.height] for animal in animals.values()]
        return DecodedHerd(tuple(animals), np.array(rows, np.float32))

    def encode(self, inputs: Sequence[DecodedHerd]) -> Arrays:
        """`{"animals": float32 [n, 2]}`."""
        return {"animals": np.concatenate([decoded.rows for decoded in inputs])}

    def item_names(self, decoded: DecodedHerd) -> tuple[str, ...]:
        return decoded.names

    def item_features(self, decoded: DecodedHerd) -> list[dict[str, float]]:
        return [{"weight": weight, "height": height} for weight, height in decoded.rows.tolist()]

    def features(self, decoded: DecodedHerd) -> dict[str, float]:
        return self.item_features(decoded)[0]

    def item_payloads(self, payload: bytes, names: Sequence[str]) -> list[bytes]:
        animals = self._animals(payload)
        if absent := [name for name in names if name not in animals]:
            raise BadPayload(f"The herd has no animal {absent[0]!r}.")
        return [Herd(animals=[animals[name]]).to_bytes() for name in names]

    def fingerprint(self, payload: bytes) -> Fingerprint:
        """Of a herd of one: two animals are the same when their ids are."""
        [id] = self._animals(payload)
        digest = hashlib.sha256(id.encode()).digest()
        return Fingerprint(digest.hex(), int.from_bytes(digest[:8], "big"))

    def _animals(self, payload: bytes) -> dict[str, Animal]:
        self.readings += 1
        animals = Herd.from_bytes(payload).animals
        named = {animal.id: animal for animal in animals}
        if len(named) < len(animals):
            raise BadPayload("Two animals have one id.")
        return named
