"""The models of texts that a configuration can name. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from tokenizers import Tokenizer

from tidemill.codecs.text import TextCodec
from tidemill.domain.errors import UsageError
from tidemill.learn.weights import FILES, here, limits, locate, tokenizer
from tidemill.validation import validate


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    dropout: float = Field(ge=0, lt=1)


class NGram(_Model):
    """Hashed n-grams, learnt from scratch; `dim` is the size of a gram's embedding."""

    name: Literal["ngram"]
    dim: int = Field(ge=1, le=1024)


class Transformer(_Model):
    """A pretrained encoder, fine-tuned. `path` is its folder; without one, `weights` names it.

    See `weights.locate` for the names. A `path` is never taken for one of them.
    """

    name: Literal["minilm", "bert"]
    weights: str = Field(min_length=1)
    path: Path | None
    pooling: Literal["mean", "first", "pooler"]

    def folder(self) -> Path:
        """Return the folder of its files; fetches them if needed. Raises what `locate` raises."""
        return locate(self.weights) if self.path is None else FILES.in_folder(self.path)

    def here(self) -> Path | None:
        """Return the same, or None if its files would have to be fetched."""
        return here(self.weights) if self.path is None else FILES.in_folder(self.path)


class TextParts(BaseModel):
    """The part of an experiment that names the model and the codec of texts."""

    model: Annotated[NGram | Transformer, Field(discriminator="name")]
    codec: dict[str, Any]


def check_text(config: Mapping[str, Any]) -> None:
    """Validate an experiment's model and codec without fetching anything.

    Raises what `text_codec` raises, as far as the files on this machine can tell.
    """
    parts = _parts(config)
    if isinstance(parts.model, NGram):
        TextCodec.from_config(parts.codec)
    elif folder := parts.model.here():
        _codec(parts, folder)


def text_codec(config: Mapping[str, Any]) -> TextCodec:
    """Return the codec of an experiment; a pretrained model's tokenizer is the one beside its
    weights.

    Raises UsageError when model and codec do not belong together, or the codec makes what the
    encoder cannot take; and what `locate` raises.
    """
    parts = _parts(config)
    if isinstance(parts.model, NGram):
        return TextCodec.from_config(parts.codec)
    return _codec(parts, parts.model.folder())


def _parts(config: Mapping[str, Any]) -> TextParts:
    parts = validate(TextParts, config)
    form = "grams" if isinstance(parts.model, NGram) else "wordpiece"
    if parts.codec.get("form") != form:
        raise UsageError(
            f"The model {parts.model.name} reads codec.form={form}, not {parts.codec.get('form')}.",
            hint=f"model={parts.model.name} brings the codec that belongs to it.",
        )
    return parts


def _codec(parts: TextParts, folder: Path) -> TextCodec:
    saved = tokenizer(folder)
    codec = TextCodec.from_config({**parts.codec, "tokenizer": saved})
    _must_fit(folder, saved, codec.config()["max_tokens"])
    return codec


def _must_fit(folder: Path, saved: str, max_tokens: int) -> None:
    """Raise UsageError for a text that could exceed one of the encoder's tables."""
    bounds = limits(folder)
    if bounds.tokens is not None and max_tokens > bounds.tokens:
        raise UsageError(
            f"The encoder in {folder} takes {bounds.tokens} tokens, and codec.max_tokens is"
            f" {max_tokens}.",
            hint=f"Choose codec.max_tokens={bounds.tokens} or less.",
        )
    # Not their number, because ids may have gaps.
    needed = max(Tokenizer.from_str(saved).get_vocab().values(), default=-1) + 1
    if bounds.pieces is not None and needed > bounds.pieces:
        raise UsageError(
            f"The tokenizer in {folder} has ids up to {needed - 1}, and the encoder takes"
            f" {bounds.pieces} pieces.",
            hint="Take tokenizer.json and the weights from the same model.",
        )
