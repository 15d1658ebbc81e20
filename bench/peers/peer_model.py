"""The model's work without Tidemill: decode payloads, run the graph, name the labels.

Bare loop, BentoML and LitServe share it. It is what somebody would write who serves the files of a
bundle by hand: no check of the input, no drift features, no log.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import onnxruntime
from PIL import Image
from tokenizers import Tokenizer

from bench.peers.peer_log import PeerLog, open_log
from tidemill.codecs.graph import GraphCodec

FORM = "PEER_FORM"
"""The environment variable that says what a payload is: text, image or node."""
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
        if self._log is None:
            return self._model.predict(payloads)
        contents = [read_content(payload) for payload in payloads]
        answers = self._model.predict(payloads)
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
    return content if form == "image" else content.decode()


class Images:
    """Images of the model's size, at most: fitted without distortion, padded with grey."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._size = config["width"], config["height"]
        self._draft = bool(config.get("draft"))

    def decode(self, payloads: Sequence[bytes | Image.Image]) -> dict[str, Any]:
        """Return the array of the graph, uint8 [n, height, width, 3]."""
        width, height = self._size
        pixels = np.full((len(payloads), height, width, 3), GREY, np.uint8)
        for row, payload in zip(pixels, payloads, strict=True):
            image = payload if isinstance(payload, Image.Image) else Image.open(BytesIO(payload))
            scale = min(width / image.width, height / image.height)
            inner = tuple(max(1, round(side * scale)) for side in image.size)
            if self._draft:
                image.draft(None, (2 * inner[0], 2 * inner[1]))
            fitted = image.convert("RGB")
            if fitted.size != inner:
                fitted = fitted.resize(inner, Image.Resampling.BILINEAR)
            x, y = (width - inner[0]) // 2, (height - inner[1]) // 2
            row[y : y + inner[1], x : x + inner[0]] = np.asarray(fitted)
        return {"image": pixels}


class Nodes:
    """Nodes of the stored graph by their ids. Nobody writes this twice: it is Tidemill's codec."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._codec = GraphCodec.from_config(config)

    def decode(self, payloads: Sequence[str]) -> dict[str, Any]:
        """Return the arrays of the graph: the neighbourhoods side by side."""
        nodes = [self._codec.decode(json.dumps({"nodes": [id]}).encode()) for id in payloads]
        return dict(self._codec.encode(nodes))


GREY = 128
DECODERS: dict[str, Any] = {"text": Texts, "image": Images, "graph": Nodes}


def read_content(payload: str | bytes | Image.Image) -> bytes:
    """Return the bytes that were sent."""
    if isinstance(payload, str):
        return payload.encode()
    if isinstance(payload, bytes):
        return payload
    file: Any = payload.fp  # type: ignore[attr-defined] # as long as no pixel is loaded
    file.seek(0)
    content: bytes = file.read()
    file.seek(0)
    return content
