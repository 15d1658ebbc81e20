"""BentoML with its documented settings for throughput: one worker, adaptive batches.

It runs in the peer's own environment: `bentoml serve bench.peers.bento_service:Peer`.
"""

from __future__ import annotations

import os
from typing import Any

import bentoml
from PIL import Image

from bench.peers.peer_model import FORM, LoggedModel, open_model

BATCH = 64
LATENCY_MS = 2_000
"""What waits longer is refused. BentoML's default is a minute."""


SERVICE: dict[str, Any] = {
    "workers": 1,
    "traffic": {"timeout": 60, "max_concurrency": 1_000},
    "logging": {"access": {"enabled": False}},
}
API: dict[str, Any] = {
    "batchable": True,
    "max_batch_size": BATCH,
    "max_latency_ms": LATENCY_MS,
    "route": "/predict",
}


@bentoml.service(name="peer", **SERVICE)
class Words:
    """Answers texts and ids of nodes."""

    def __init__(self) -> None:
        self.model: LoggedModel = open_model()

    @bentoml.api(**API)
    def predict(self, texts: list[str]) -> list[dict[str, Any]]:
        return self.model.predict(texts)


@bentoml.service(name="peer", **SERVICE)
class Images:
    """Answers uploads of images."""

    def __init__(self) -> None:
        self.model: LoggedModel = open_model()

    @bentoml.api(**API)
    def predict(self, images: list[Image.Image]) -> list[dict[str, Any]]:
        return self.model.predict(images)


Peer = Images if os.environ.get(FORM) == "image" else Words
