"""The contract between a payload and a model's arrays; the same object trains and serves.

A codec is saved as JSON (`kind` and `config`), never as code. Codecs are found by entry point, in
the group `tidemill.codecs`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

import numpy.typing as npt
from pydantic import BaseModel

from tidemill.domain.errors import UsageError

Arrays = dict[str, npt.NDArray[Any]]
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What makes two payloads the same to a person.

    `exact` is equal for identical content whatever the container (two encodings of the same
    pixels). `near` is a 64-bit perceptual hash: a small Hamming distance means near-duplicates.
    """

    exact: str
    near: int


class Payload(BaseModel, ABC):
    """A payload as JSON. Each codec derives its own, so that the OpenAPI document is right."""

    @classmethod
    @abstractmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """The JSON form of a raw payload; `to_bytes` gives the very same bytes back."""

    @abstractmethod
    def to_bytes(self) -> bytes:
        """The raw payload. Raises BadPayload when the JSON does not hold one."""


class Codec(Protocol[Item]):
    """Payload bytes -> item -> arrays. `Item` is a decoded payload, ready to be stacked."""

    kind: str
    payload: type[Payload]

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The codec that `config` describes. Raises UsageError for a value it cannot take."""

    def config(self) -> dict[str, Any]:
        """Plain values that rebuild this codec."""

    def read(self, payload: bytes) -> Item:
        """Decode one payload. Raises BadPayload with a sentence a stranger understands."""

    def encode(self, items: Sequence[Item]) -> Arrays:
        """Stack decoded payloads into the model's input arrays, batch first."""

    def features(self, item: Item) -> dict[str, float]:
        """The drift features of one decoded payload."""

    def fingerprint(self, payload: bytes) -> Fingerprint:
        """What the duplicate checks compare. Raises BadPayload."""


@runtime_checkable
class ManyCodec(Codec[Item], Protocol[Item]):
    """A codec whose payload asks for many items, each with a name: the nodes of a graph.

    Of every other codec a payload is one item, whose name is empty. The arrays of a payload make
    the graph answer one row per item, in the order of `names`. An example is a payload with one
    item, and `features` are the first row of `measures`. A name means the same item in every
    payload: what is said of it is said of one thing.
    """

    def names(self, item: Item) -> tuple[str, ...]:
        """What a decoded payload asks for, in order; never empty, and no name comes twice."""

    def measures(self, item: Item) -> list[dict[str, float]]:
        """The drift features of each item that is asked for, in the order of `names`."""

    def parts(self, payload: bytes, names: Sequence[str]) -> list[bytes]:
        """The example of each of these items of a payload, which is read once.

        Raises BadPayload when the payload cannot be read or does not ask for one of them.
        """


def open_codec(kind: str, config: Mapping[str, Any]) -> Codec[Any]:
    """Rebuild a saved codec. Raises UsageError when no installed package knows its kind."""
    found = {point.name: point for point in entry_points(group="tidemill.codecs")}
    if kind not in found:
        raise UsageError(
            f"No codec {kind!r} is installed.", hint=f"Known codecs: {', '.join(sorted(found))}."
        )
    codec: type[Codec[Any]] = found[kind].load()
    return codec.from_config(config)
