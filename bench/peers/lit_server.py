"""LitServe with its documented settings for throughput: batches, the fast queue, one worker.

It runs in the peer's own environment: `python -m bench.peers.lit_server PORT`. Annotations are
real classes here, because LitServe reads them.
"""

import sys
from typing import Any

import litserve
from fastapi import Request

from bench.peers.peer_model import LoggedModel, open_model

BATCH = 64
TIMEOUT_S = 0.005


class Peer(litserve.LitAPI):
    """Answers texts, ids of nodes and uploads of images."""

    def setup(self, device: str) -> None:
        self.model: LoggedModel = open_model()

    def decode_request(self, request: Request) -> Any:
        if "file" in request:
            return request["file"].file.read()
        return request["text"]  # LitServe hands over the parsed body

    def batch(self, inputs: list[Any]) -> list[Any]:
        return inputs

    def predict(self, inputs: list[Any]) -> list[dict[str, Any]]:
        return self.model.predict(inputs)

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return output

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


def main() -> None:
    """Serve on the port that the command line names."""
    api = Peer(max_batch_size=BATCH, batch_timeout=TIMEOUT_S)
    server = litserve.LitServer(
        api, accelerator="cpu", devices=1, workers_per_device=1, fast_queue=True
    )
    server.run(
        port=int(sys.argv[1]),
        host="127.0.0.1",
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
    )


if __name__ == "__main__":
    main()
