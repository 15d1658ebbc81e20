"""The bare runtime: the same decoding and the same graph in a loop, without a server.

It runs as a process of its own. A line of JSON on stdin is a turn, a line on stdout its result; the
first line has the answers to all payloads.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.peers.peer_model import PeerModel, read_payload


def loop(model: PeerModel, payloads: list[Any], batch: int, seconds: float) -> dict[str, Any]:
    """Predict batch after batch for so long; `ms` has the time of each."""
    parts = [
        [payloads[(start + at) % len(payloads)] for at in range(batch)]
        for start in range(0, len(payloads) * batch, batch)
    ][: max(1, len(payloads))]
    ms: list[float] = []
    began = now = perf_counter()
    while now - began < seconds:
        model.predict(parts[len(ms) % len(parts)])
        ms.append((perf_counter() - now) * 1000)
        now = perf_counter()
    return {"answered": len(ms) * batch, "seconds": now - began, "ms": ms}


def main() -> None:
    """Answer turns until stdin ends."""
    model = PeerModel(Path(sys.argv[1]))
    files = sorted(Path(sys.argv[2]).iterdir(), key=lambda file: int(file.name))
    payloads = [read_payload(sys.argv[3], file.read_bytes()) for file in files]
    print(json.dumps([model.predict([payload])[0] for payload in payloads]), flush=True)
    for line in sys.stdin:
        turn = json.loads(line)
        loop(model, payloads, turn["batch"], turn["warmup"])
        print(json.dumps(loop(model, payloads, turn["batch"], turn["seconds"])), flush=True)


if __name__ == "__main__":
    main()
