"""The model's work without Tidemill: decode payloads, run the graph, name the labels.

Bare loop, BentoML and LitServe share it. It is what somebody would write who serves the files of a
bundle by hand: no check of the input, no drift features, no log.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from bench.peers.peer_log import PeerLog, open_log

BUNDLE = "PEER_BUNDLE"
"""The environment variable that names the folder of the bundle."""


class PeerModel:
    """The model in the folder of a bundle, on one thread."""

    def __init__(self, folder: Path) -> None:
        classes = json.loads((folder / "classes.json").read_bytes())
        ((self.target, self.classes),) = classes.items()
        codec = json.loads((folder / "codec.json").read_bytes())
        self.decoder = DECODERS[codec["kind"]](codec["config"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            folder / "model.onnx", options, providers=["CPUExecutionProvider"]
        )
        self._outputs = [f"logits_{self.target}"]

    def predict(self, payloads: Sequence[Any]) -> list[dict[str, Any]]:
        """Return a label and probabilities for each payload: a text, or the bytes of an image."""
        (logits,) = self._session.run(self._outputs, self.decoder.decode(payloads))
        shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
        rows = (shifted / shifted.sum(axis=1, keepdims=True)).tolist()
        names = self.classes
        return [
            {
                "label": names[max(range(len(row)), key=row.__getitem__)],
                "probabilities": dict(zip(names, row, strict=True)),
            }
            for row in rows
        ]


class LoggedModel:
    """The model, and the log where there is one: an answer is logged before it is returned."""

    def __init__(self, model: PeerModel, log: PeerLog | None) -> None:
        self._model = model
        self._log = log

    def predict(self, payloads: Sequence[Any]) -> list[dict[str, Any]]:
        """Return what `PeerModel.predict` returns."""
        answers = self._model.predict(payloads)
        if self._log is not None:
            contents = [row.encode() if isinstance(row, str) else row for row in payloads]
            self._log.append(contents, answers)
        return answers


def open_model() -> LoggedModel:
    """Return the model and the log that the environment names."""
    model = PeerModel(Path(os.environ[BUNDLE]))
    return LoggedModel(model, open_log(model.target))


class Texts:
    """Texts as word pieces, padded to the longest."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._tokenizer = Tokenizer.from_str(config["tokenizer"])
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(config["max_tokens"])

    def decode(self, payloads: Sequence[str]) -> dict[str, Any]:
        """Return the arrays of the graph."""
        rows = [self._tokenizer.encode(text).ids for text in payloads]
        ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
        mask = np.zeros_like(ids)
        for at, row in enumerate(rows):
            ids[at, : len(row)] = row
            mask[at, : len(row)] = 1
        return {"input_ids": ids, "attention_mask": mask}


def read_payload(form: str, content: bytes) -> Any:
    """Return what a server's framework hands over: a text, or the bytes of a file."""
    return content.decode() if form == "text" else content


DECODERS: dict[str, Any] = {"text": Texts}
