"""How long a trained workspace takes to answer one client over HTTP."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.client import Plan
from bench.figures import Round
from bench.load import drive
from bench.ready import await_ready
from tidemill.adapters.child_process import ServerProcess
from tidemill.domain.errors import TidemillError

REQUESTS = 300
WARMUP = 30
PAYLOADS = 100


def answering(home: Path, payloads: Sequence[bytes]) -> Round:
    """One user who sends raw payloads, one after the other, to the champion of `home`.

    Raises TidemillError when a request fails.
    """
    with tempfile.TemporaryDirectory(prefix="bench-answering-") as folder:
        files = [Path(folder) / str(number) for number, _ in enumerate(payloads[:PAYLOADS])]
        for file, payload in zip(files, payloads, strict=False):
            file.write_bytes(payload)
        with ServerProcess(home) as process:
            await_ready(process.url)
            names = [str(file) for file in files]
            found = drive(Plan(process.url, "multipart", 1, REQUESTS, WARMUP, names))
    if found.errors:
        raise TidemillError(f"{found.errors} of {REQUESTS} requests failed: {found.faults}.")
    return found
