"""Text: UTF-8 bytes become hashed n-grams or word pieces, of unequal length."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from tidemill.codecs import text_features
from tidemill.codecs.codec import Arrays, Fingerprint, Payload
from tidemill.codecs.grams import GramsConfig, read_grams
from tidemill.codecs.wordpiece import WordPieces
from tidemill.domain.errors import BadPayload, UsageError

_Count = Annotated[int, Field(strict=True, ge=1)]

_CLEANING_NS, _TOKEN_NS = 100.0, 2_000.0
"""Nanoseconds per byte, on one core of a usual server."""

# C0, DEL and C1, which include NUL, tabs and line ends. Also the byte order mark, which joined
# files contain in their middle.
_BLANKS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), 0xFEFF), " ")


class GramsForm(GramsConfig):
    """A text as hashed n-grams; `max_bytes` bounds the payload."""

    form: Literal["grams"]
    max_bytes: _Count = 1_000_000


class WordPieceForm(BaseModel):
    """A text as the pieces of a tokenizer: `tokenizer` is the tokenizers library's JSON text.

    `max_tokens` counts the marks that the tokenizer adds; `max_bytes` bounds the payload.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    form: Literal["wordpiece"]
    tokenizer: str
    max_tokens: Annotated[int, Field(strict=True, ge=1, le=2**16)] = 128
    max_bytes: _Count = 1_000_000


TextConfig = Annotated[GramsForm | WordPieceForm, Field(discriminator="form")]
_FORMS: dict[str, type[BaseModel]] = {"grams": GramsForm, "wordpiece": WordPieceForm}
_ADAPTER: TypeAdapter[GramsForm | WordPieceForm] = TypeAdapter(TextConfig)


class TextPayload(Payload):
    """A text inside JSON."""

    text: str = Field(
        description="The text to judge, in any script; line ends and tabs count as blanks.",
        examples=["Operating profit rose to EUR 2.4 million."],
    )

    takes_text: ClassVar[bool] = True
    at_hand: ClassVar[str] = "a text, "
    json_limit: ClassVar[int] = 4 << 20
    suffixes: ClassVar[tuple[str, ...]] = (".txt",)

    @classmethod
    def from_value(cls, value: Any) -> Self:
        """Return a text, or the JSON form of one. Raises what the base class raises."""
        return cls(text=value) if isinstance(value, str) else super().from_value(value)

    @classmethod
    def canonical(cls, payload: bytes) -> bytes:
        """Return the payload: its bytes are its only spelling."""
        return payload

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """Return the text itself. Raises BadPayload when it is not UTF-8."""
        return cls(text=_decoded(payload))

    def to_bytes(self) -> bytes:
        """Return the text in UTF-8. Raises BadPayload when half a character stands in it."""
        try:
            return self.text.encode()
        except UnicodeEncodeError as error:
            raise BadPayload(
                f"The field 'text' holds a lone surrogate at position {error.start}.",
                hint="Write a character outside the basic plane as a whole pair of escapes.",
            ) from error


@dataclass(frozen=True, slots=True, eq=False)
class DecodedText:
    """A decoded text: `text` is on one line, with single blanks between its words.

    `ids` int64 and `weights` (float32, or int64 ones for word pieces), both [l], are the model's.
    They cover the first `covered` characters of `text`; `unknown` of the ids name no known piece.
    """

    text: str
    ids: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32] | npt.NDArray[np.int64]
    covered: int
    unknown: int = 0


class TextCodec:
    """Fulfils `Codec` for texts. It is immutable, so threads may share one.

    A payload is UTF-8. Control characters and byte order marks count as blanks, a run of blanks
    becomes one, and blanks at both ends are removed. Case and accents are kept for the model.
    """

    kind = "text"
    payload: type[Payload] = TextPayload

    def __init__(self, settings: GramsForm | WordPieceForm) -> None:
        self.settings = settings
        if isinstance(settings, WordPieceForm):
            self._reader: WordPieces | GramsForm = WordPieces(
                settings.tokenizer, settings.max_tokens
            )
            self._token_bytes = self._reader.max_characters
        else:
            self._reader = settings
            self._token_bytes = settings.max_grams

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Return the codec that `config` describes; see GramsForm and WordPieceForm for the keys.

        Raises UsageError.
        """
        try:
            return cls(_ADAPTER.validate_python(dict(config)))
        except ValidationError as error:
            raise _refusal(error, config.get("form")) from error

    def config(self) -> dict[str, Any]:
        """Return plain values that rebuild this codec."""
        return self.settings.model_dump(mode="json")

    def estimate_ns(self, payload: bytes) -> float:
        """Return an estimate from the length: all is cleaned, the first part becomes tokens."""
        size = len(payload)
        if size > self.settings.max_bytes:
            return 0.0  # `decode` refuses it at once
        return _CLEANING_NS * size + _TOKEN_NS * min(size, self._token_bytes)

    def decode(self, payload: bytes) -> DecodedText:
        """Clean a text and tokenize it. Raises BadPayload."""
        text = self._plain(payload)
        if isinstance(self._reader, WordPieces):
            pieces = self._reader.read(text)
            mask = np.ones(len(pieces.ids), dtype=np.int64)
            return DecodedText(text, pieces.ids, mask, pieces.characters, pieces.unknown)
        grams = read_grams(text, self._reader)
        return DecodedText(text, grams.ids, grams.weights, grams.read)

    def encode(self, inputs: Sequence[DecodedText]) -> Arrays:
        """Return the rows, padded with zeros to the longest of them and to at least one column.

        Grams: `ids` int64 and `weights` float32; word pieces: `input_ids` and `attention_mask`,
        int64. Both of shape [n, l].
        """
        shape = len(inputs), max((len(decoded.ids) for decoded in inputs), default=1) or 1
        ids = np.zeros(shape, dtype=np.int64)
        pieced = isinstance(self._reader, WordPieces)
        weights: npt.NDArray[Any] = np.zeros(shape, dtype=np.int64 if pieced else np.float32)
        for row, decoded in enumerate(inputs):
            ids[row, : len(decoded.ids)] = decoded.ids
            weights[row, : len(decoded.ids)] = decoded.weights
        if pieced:
            return {"input_ids": ids, "attention_mask": weights}
        return {"ids": ids, "weights": weights}

    def length(self, decoded: DecodedText) -> int:
        """Return the number of the model's ids."""
        return len(decoded.ids)

    def features(self, decoded: DecodedText) -> dict[str, float]:
        """Return characters, words, word_length, digits, capitals, punctuation and non_ascii.

        See `text_features.features`. For word pieces also `pieces`, how many a word has, and
        `unknown`, their share that the vocabulary does not know, both of the part that was read.
        """
        measured = text_features.features(decoded.text)
        if not isinstance(self._reader, WordPieces):
            return measured
        pieces = len(decoded.ids) - self._reader.marks
        words = decoded.text.count(" ", 0, decoded.covered) + 1
        return measured | {"pieces": pieces / words, "unknown": decoded.unknown / max(pieces, 1)}

    def remarks(self, decoded: DecodedText) -> tuple[str, ...]:
        """Return a remark on how much of an over-long text was read."""
        if decoded.covered >= len(decoded.text):
            return ()
        return (
            f"The text is longer than the model reads: the first {decoded.covered:,} of its "
            f"{len(decoded.text):,} characters were judged.",
        )

    def fingerprint(self, payload: bytes) -> Fingerprint:
        """Return the fingerprint of the whole text, with what the model does not read. Raises
        BadPayload.

        `exact` is the sha256 of the cleaned text, case kept; `near` a simhash that ignores case
        and punctuation.
        """
        # On the financial sentences, the raw text and every normalisation that was tried (blanks
        # collapsed or removed, lower case, case folding, NFC, NFKC) find the same 520 duplicates,
        # of which 6 have the same label. So only the cleaning of `decode` is applied.
        text = self._plain(payload)
        exact = hashlib.sha256(text.encode()).hexdigest()
        return Fingerprint(exact=exact, near=text_features.similarity_hash(text))

    def _plain(self, payload: bytes) -> str:
        """Return the text on one line. Raises BadPayload."""
        if len(payload) > self.settings.max_bytes:
            raise BadPayload(
                f"The text has {len(payload):,} bytes; the limit is {self.settings.max_bytes:,}.",
                hint="Send a shorter text.",
            )
        text = _decoded(payload)
        if not (clean := text.isprintable()):
            text = text.translate(_BLANKS)
        text = " ".join(text.split())
        # Zero-width characters are not blanks, but they are invisible, too.
        if not text or not (clean or any(map(str.isprintable, text.replace(" ", "")))):
            raise BadPayload("The text is empty.", hint="Send at least one word.")
        return text


def _decoded(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        raise BadPayload(
            f"The text is not UTF-8: byte 0x{payload[error.start]:02x} at position {error.start}.",
            hint="Send the text encoded as UTF-8.",
        ) from error


def _refusal(error: ValidationError, form: Any) -> UsageError:
    first = error.errors()[0]
    # The location begins with the chosen form, and is empty without one.
    place = first["loc"]
    where = (".".join(map(str, place[1:])) or str(form)) if place else "form"
    keys = [", ".join(model.model_fields) for name, model in _FORMS.items() if name == form]
    return UsageError(
        f"The text codec cannot take {where!r}: {first['msg']}.",
        hint=f"Its keys are: {keys[0]}." if keys else f"Its form is one of: {', '.join(_FORMS)}.",
    )
