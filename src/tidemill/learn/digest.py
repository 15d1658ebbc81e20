"""Compute a digest of weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from torch import Tensor


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """Return the sha256 in hex over every tensor's name, type, shape and bytes, ordered by name.

    Equal exactly when the weights are equal bit for bit, however they lie in memory.
    """
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        # The heading states the number of bytes that follow, so the input is unambiguous.
        heading = json.dumps([name, str(tensor.dtype), list(tensor.shape)])
        digest.update(heading.encode() + b"\n")
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
