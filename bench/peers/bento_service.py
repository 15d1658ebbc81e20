"""BentoML with its documented settings for throughput: one worker, adaptive batches.

It runs in the peer's own environment: `bentoml serve bench.peers.bento_service:Peer`.
"""

from __future__ import annotations

from typing import Any

import bentoml

from bench.peers.peer_model import LoggedModel, open_model

BATCH = 64
LATENCY_MS = 10_000
"""What waits longer is refused. BentoML's default is a minute."""


@bentoml.service(
    workers=1,
    traffic={"timeout": 60, "max_concurrency": 1_000},
    logging={"access": {"enabled": False}},
)
class Peer:
    """Answers texts."""

    def __init__(self) -> None:
        self.model: LoggedModel = open_model()

    @bentoml.api(batchable=True, max_batch_size=BATCH, max_latency_ms=LATENCY_MS)
    def predict(self, texts: list[str]) -> list[dict[str, Any]]:
        return self.model.predict(texts)
