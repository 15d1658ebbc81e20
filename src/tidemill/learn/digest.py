"""A name for weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from torch import Tensor


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """sha256 in hex over every tensor's name, type, shape and bytes, in the order of the names.

    Equal exactly when the weights are equal bit for bit, however they lie in memory.
    """
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        # The heading fixes the number of bytes that follow, so nothing can be read in two ways.
        heading = json.dumps([name, str(tensor.dtype), list(tensor.shape)])
        digest.update(heading.encode() + b"\n")
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
