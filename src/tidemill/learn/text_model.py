"""The models that learn texts, as a recipe's configuration names them. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tidemill.codecs.text import TextCodec
from tidemill.domain.errors import UsageError
from tidemill.learn.weights import locate, tokenizer
from tidemill.validation import validated


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    dropout: float = Field(ge=0, lt=1)


class NGram(_Model):
    """Hashed n-grams, learnt from scratch; `dim` is the size of a gram's embedding."""

    name: Literal["ngram"]
    dim: int = Field(ge=1, le=1024)


class Transformer(_Model):
    """A pretrained encoder, fine-tuned. `path` is its folder; without one, `weights` names it.

    See `weights.locate` for the names.
    """

    name: Literal["minilm", "bert"]
    weights: str = Field(min_length=1)
    path: Path | None
    pooling: Literal["mean", "first", "pooler"]

    def folder(self) -> Path:
        """Where its files are; fetches them when need be. Raises what `locate` raises."""
        return locate(str(self.path or self.weights))


class TextParts(BaseModel):
    """The part of an experiment that says which model learns, and what it reads of a text."""

    model: Annotated[NGram | Transformer, Field(discriminator="name")]
    codec: dict[str, Any]


def text_codec(config: Mapping[str, Any]) -> TextCodec:
    """The codec of an experiment; a pretrained model's tokenizer is the one beside its weights.

    Raises UsageError when model and codec do not belong together, or what `locate` raises.
    """
    parts = validated(TextParts, config)
    form = "grams" if isinstance(parts.model, NGram) else "wordpiece"
    if parts.codec.get("form") != form:
        raise UsageError(
            f"The model {parts.model.name} reads codec.form={form}, not {parts.codec.get('form')}.",
            hint=f"model={parts.model.name} brings the codec that belongs to it.",
        )
    if isinstance(parts.model, NGram):
        return TextCodec.from_config(parts.codec)
    return TextCodec.from_config({**parts.codec, "tokenizer": tokenizer(parts.model.folder())})
