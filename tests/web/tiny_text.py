"""A text model that is small enough to compute by hand, as files of a real bundle; no torch.

Each label has one word that speaks for it. The embedding is the mean, over a text's words, of
what each speaks for; the logits are that times SHARPNESS.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace

from tidemill.bundle import Golden, encode

SHARPNESS = 12.0
WORDS = ("gamma", "beta", "alpha")
"""What speaks for the first, the second and the third label."""
FILLERS = ("the", "firm", "says", "it")
MAX_TOKENS = 16


def text(label: int, fillers: int) -> bytes:
    """Return a text with one word for a label among `count` neutral words."""
    return " ".join([*(FILLERS[n % 4] for n in range(fillers)), WORDS[label]]).encode()


def chances(label: int, fillers: int, labels: Sequence[str]) -> dict[str, float]:
    """Compute the model's probabilities for such a text without the model."""
    logits = np.zeros(len(labels))
    logits[label] = SHARPNESS / (fillers + 1)
    raised = np.exp(logits)
    return dict(zip(labels, (raised / raised.sum()).tolist(), strict=True))


def tokenizer() -> str:
    """Whole words in lower case."""
    words = ["[PAD]", "[UNK]", *WORDS, *FILLERS]
    tokenizer = Tokenizer(WordLevel({word: at for at, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    saved: str = tokenizer.to_str()
    return saved


def model(target: str, labels: int) -> bytes:
    """`input_ids` and `attention_mask` [n, l] to `embedding` and `logits_<target>` [n, labels]."""
    table = np.zeros((2 + len(WORDS) + len(FILLERS), labels), np.float32)
    table[2 : 2 + labels] = np.eye(labels)
    constants: dict[str, np.ndarray[Any, Any]] = {
        "table": table,
        "sharpness": np.array(SHARPNESS, np.float32),
        "words": np.array([1], np.int64),
        "last": np.array([2], np.int64),
    }
    node, value = helper.make_node, helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            node("Gather", ["table", "input_ids"], ["said"]),
            node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
            node("Unsqueeze", ["mask", "last"], ["column"]),
            node("Mul", ["said", "column"], ["heard"]),
            node("ReduceSum", ["heard", "words"], ["sum"], keepdims=0),
            node("ReduceSum", ["mask", "words"], ["count"], keepdims=1),
            node("Div", ["sum", "count"], ["embedding"]),
            node("Mul", ["embedding", "sharpness"], [f"logits_{target}"]),
        ],
        "tiny",
        [value(name, TensorProto.INT64, ["n", "l"]) for name in ("input_ids", "attention_mask")],
        [
            value(name, TensorProto.FLOAT, ["n", labels])
            for name in (f"logits_{target}", "embedding")
        ],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    onnx_model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    content: bytes = onnx_model.SerializeToString()
    return content


def golden(target: str, labels: Sequence[str]) -> list[Golden]:
    """Six samples of each label, of different lengths."""
    return [
        Golden(text(at, n), {target: name}, {target: chances(at, n, labels)})
        for n in range(6)
        for at, name in enumerate(labels)
    ]


def files(
    target: str, labels: Sequence[str], names: Sequence[str] | None = None
) -> tuple[Mapping[str, bytes], Sequence[bytes]]:
    """Return the files of a bundle without its reference, and held-out texts for the reference.

    `named` are the labels as the bundle has them, where they shall differ from the graph's.
    """
    codec = {"form": "wordpiece", "tokenizer": tokenizer(), "max_tokens": MAX_TOKENS}
    samples = golden(target, labels)
    bundle_files = {
        "model.onnx": model(target, len(labels)),
        "codec.json": encode({"kind": "text", "config": codec}),
        "classes.json": json.dumps({target: list(names or labels)}).encode(),
        "golden.json": encode([sample.to_json() for sample in samples]),
        "evaluation.json": b"{}",
        "lineage.json": b"{}",
        "card.md": b"tiny",
    }
    return bundle_files, [sample.payload for sample in samples]
