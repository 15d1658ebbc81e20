"""The contract between a payload and a model's arrays; the same object trains and serves.

A codec is saved as JSON (`kind` and `config`), never as code. Codecs are found by entry point, in
the group `tidemill.codecs`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, TypeVar, runtime_checkable

import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from tidemill.codecs.plain import to_plain
from tidemill.domain.errors import BadPayload, UsageError
from tidemill.plugins import find_plugins, plugin_names

CODECS = "tidemill.codecs"
"""The group of the codecs' entry points."""

Arrays = dict[str, npt.NDArray[Any]]
Decoded = TypeVar("Decoded")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The identity of a payload for the duplicate checks.

    `exact` is equal for identical content in any container, such as two encodings of the same
    pixels. `near` is a 64-bit perceptual hash: near-duplicates have a small Hamming distance.
    """

    exact: str
    near: int


class Payload(BaseModel, ABC):
    """A payload as JSON. Each codec derives its own, so that the OpenAPI document is correct."""

    model_config = ConfigDict(extra="forbid")

    takes_text: ClassVar[bool] = False
    """True when a text is a payload by itself, and not the name of a file."""
    at_hand: ClassVar[str] = ""
    """Further values that people have at hand, for a hint: "a text, "."""
    json_limit: ClassVar[int] = 32 << 20
    """Bytes that a JSON body with such payloads may have."""
    json_ns_per_byte: ClassVar[float] = 20.0
    """About how many nanoseconds the parsing of a byte of that JSON takes."""
    suffixes: ClassVar[tuple[str, ...]] = (".json",)
    """The endings of file names of such payloads, in lower case."""

    @classmethod
    def from_value(cls, value: Any) -> Self:
        """Return the JSON form of a value in Python, such as a dict.

        Raises ValidationError, BadPayload, and TypeError for a value of another type.
        """
        plain = to_plain(value)
        if not isinstance(plain, Mapping):
            raise TypeError(f"{type(value).__name__} is no payload")
        return cls.model_validate(plain)

    @classmethod
    def cells(cls) -> tuple[str, ...]:
        """Return the columns that a row of a file needs or may have to be such a payload."""
        return tuple(cls.model_fields)

    @classmethod
    def from_cells(cls, cells: Mapping[str, Any]) -> Self:
        """Return the payload of a row of a file, where a number may be a text.

        Raises what `from_value` raises.
        """
        return cls.from_value(cells)

    @classmethod
    @abstractmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """Return the JSON form of a raw payload; `to_bytes` returns the same bytes."""

    @classmethod
    def canonical(cls, payload: bytes) -> bytes:
        """Return the one spelling of a raw payload, so that its id is the same everywhere.

        A payload that cannot be read comes back as it is: the codec names its fault.
        """
        try:
            return cls.from_bytes(payload).to_bytes()
        except BadPayload:
            return payload

    @abstractmethod
    def to_bytes(self) -> bytes:
        """Return the raw payload. Raises BadPayload for JSON without a valid one."""


class Codec(Protocol[Decoded]):
    """Converts payloads into a model's arrays. `Decoded` is the type of a decoded payload."""

    kind: str
    payload: type[Payload]

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Return the codec that `config` describes. Raises UsageError when a value does not fit."""

    def config(self) -> dict[str, Any]:
        """Return plain values that rebuild this codec."""

    def estimate_ns(self, payload: bytes) -> float:
        """Return about how many nanoseconds `decode` takes at most, from the structure alone.

        The server decodes what is cheap in a thread and what is costly in a process, which a
        deadline ends. Infinity where nothing bounds the cost. The estimate itself is cheap. Raises
        BadPayload for a payload that must not be decoded.
        """

    def decode(self, payload: bytes) -> Decoded:
        """Decode one payload. Raises BadPayload with a sentence that its sender understands."""

    def encode(self, inputs: Sequence[Decoded]) -> Arrays:
        """Stack decoded payloads into the model's input arrays, batch first."""

    def features(self, decoded: Decoded) -> dict[str, float]:
        """Return the drift features of one decoded payload."""

    def fingerprint(self, payload: bytes) -> Fingerprint:
        """Return the fingerprint that the duplicate checks compare. Raises BadPayload."""


@runtime_checkable
class ManyCodec(Codec[Decoded], Protocol[Decoded]):
    """A codec whose payload holds many items, each with a name: the nodes of a graph.

    With any other codec a payload has one item, and its name is empty. The graph returns one row
    per item, in the order of `item_names`. An example is a payload with one item; `features` is
    the first row of `item_features`. A name stands for the same item in every payload.
    """

    def item_names(self, decoded: Decoded) -> tuple[str, ...]:
        """Return the names of a decoded payload's items, in order; never empty, no name comes
        twice.
        """

    def item_features(self, decoded: Decoded) -> list[dict[str, float]]:
        """Return the drift features of each item, in the order of `item_names`."""

    def item_payloads(self, payload: bytes, names: Sequence[str]) -> list[bytes]:
        """Return the example of each of these items; the payload is decoded once.

        Raises BadPayload when the payload cannot be decoded or lacks one of the items.
        """


def open_codec(kind: str, config: Mapping[str, Any]) -> Codec[Any]:
    """Rebuild a saved codec. Raises UsageError for a kind that no installed package has."""
    return codec_class(kind).from_config(config)


def codec_class(kind: str) -> type[Codec[Any]]:
    """Return the class of a codec. Raises UsageError when no installed package has the kind."""
    points = find_plugins(CODECS, kind)
    if not points:
        raise UsageError(
            f"No codec {kind!r} is installed.",
            hint=f"Known codecs: {', '.join(plugin_names(CODECS))}.",
        )
    codec: type[Codec[Any]] = points[-1].load()
    return codec
