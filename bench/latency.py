"""How long a trained workspace takes to reply to one client over HTTP."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from tidemill.adapters.child_process import ServerProcess
from tidemill.domain.errors import TidemillError
from tidemill.testing.load import LoadResult, run_load
from tidemill.testing.load_client import LoadPlan
from tidemill.testing.processes import require_ready

REQUESTS = 300
WARMUP = 30
PAYLOADS = 100


def measure_latency(home: Path, payloads: Sequence[bytes]) -> LoadResult:
    """One user who sends raw payloads, one after the other, to the champion of `home`.

    Raises TidemillError when a request fails.
    """
    with tempfile.TemporaryDirectory(prefix="bench-latency-") as folder:
        files = [Path(folder) / str(number) for number, _ in enumerate(payloads[:PAYLOADS])]
        for file, payload in zip(files, payloads, strict=False):
            file.write_bytes(payload)
        with ServerProcess(home) as process:
            require_ready(process.url)
            names = [str(file) for file in files]
            result = run_load(LoadPlan(process.url, "multipart", 1, REQUESTS, WARMUP, names))
    if result.errors:
        raise TidemillError(f"{result.errors} of {REQUESTS} requests failed: {result.faults}.")
    return result
