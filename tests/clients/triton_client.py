"""A run of the protocol by NVIDIA's own client, in the environment that has it: `URL MODEL`.

It prints what it got as one JSON object. It is no test of its own: tests/cli/test_triton_client.py
starts it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException


def main(address: str, model: str) -> dict[str, Any]:
    """Ask every route that the client has for a model, in JSON and in binary."""
    client = triton.InferenceServerClient(address)
    payloads = np.array(
        [b'{"gloss":40.0,"length":30.0,"weight":60.0}', b'{"gloss":90,"length":9,"weight":9}'],
        np.object_,
    )
    answers = {}
    for binary in (True, False):
        text = triton.InferInput("payload", [2], "BYTES")
        text.set_data_from_numpy(payloads, binary_data=binary)
        wanted = [
            triton.InferRequestedOutput(name, binary_data=binary)
            for name in ("stone_label", "stone_probabilities", "prediction_id")
        ]
        result = client.infer(model, [text], outputs=wanted, request_id="42")
        answers["binary" if binary else "json"] = {
            "labels": [each.decode() for each in _flat(result.as_numpy("stone_label"))],
            "shares": result.as_numpy("stone_probabilities").tolist(),
            "ids": [str(each, "utf-8") for each in _flat(result.as_numpy("prediction_id"))],
            "response": {k: result.get_response()[k] for k in ("id", "model_name")},
        }
    columns = []
    for name, value in (("gloss", 40.0), ("length", 30.0), ("weight", 60.0)):
        column = triton.InferInput(name, [1], "FP32")
        column.set_data_from_numpy(np.array([value], np.float32))
        columns.append(column)
    every = client.infer(model, columns, model_version="v1")
    errors = []
    for name, version in (("nothing", ""), (model, "v9")):
        try:
            client.infer(name, columns, model_version=version)
        except InferenceServerException as error:
            errors.append((error.status(), error.message()))
    return {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model_ready": client.is_model_ready(model),
        "version_ready": client.is_model_ready(model, "v1"),
        "other_ready": client.is_model_ready("nothing"),
        "server": client.get_server_metadata(),
        "model": client.get_model_metadata(model, "v1"),
        "answers": answers,
        "columns": [each.decode() for each in _flat(every.as_numpy("stone_label"))],
        "errors": errors,
    }


def _flat(values: Any) -> list[bytes]:
    return [each if isinstance(each, bytes) else str(each).encode() for each in values.ravel()]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])))
