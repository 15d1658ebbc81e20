"""A small BERT with random weights: what it costs is real, its labels mean nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertModel

LAYERS, WIDTH, HEADS = 4, 256, 4
VOCABULARY = 6_000


def write_encoder(folder: Path, texts: Sequence[str]) -> None:
    """Write a BERT-mini, as transformers saves one, whose vocabulary has the words of `texts`."""
    folder.mkdir(parents=True, exist_ok=True)
    learner = BertWordPieceTokenizer(lowercase=True)
    learner.train_from_iterator(texts, vocab_size=VOCABULARY, min_frequency=1, show_progress=False)
    learner.save(str(folder / "tokenizer.json"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=learner.get_vocab_size(),
            hidden_size=WIDTH,
            initializer_range=0.1,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            intermediate_size=4 * WIDTH,
        )
        BertModel(config).save_pretrained(folder)
