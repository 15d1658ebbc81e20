"""The process of the bare loop, and the batch size at which it is fastest."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, Self

from bench.peers.contestants import on_core
from bench.peers.generator import Result
from bench.peers.workloads import Workload
from bench.record import ROOT
from tidemill.domain.errors import TidemillError

SIZES = (1, 2, 4, 8, 16, 32, 64)
TRIALS = 3
BATCH_S = 1.0
"""No user waits longer for a batch, so the loop need not do so either."""


class BareLoop:
    """Runs the loop on one core, in turns. It ends with the block."""

    def __init__(self, workload: Workload, core: int, scratch: Path) -> None:
        folder = scratch / "payloads"
        folder.mkdir(exist_ok=True)
        for number, payload in enumerate(workload.payloads):
            (folder / str(number)).write_bytes(payload)
        words = [sys.executable, "-m", "bench.peers.bare_loop"]
        words += [str(workload.bundle.absolute()), str(folder), workload.form]
        with on_core(core):
            self._process = subprocess.Popen(
                words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        self.answers: list[Mapping[str, Any]] = self._read()

    def run(self, batch: int, seconds: float, warmup: float) -> Result:
        """Measure the loop at one batch size. `ms` are those of whole batches."""
        assert self._process.stdin is not None
        turn = {"batch": batch, "seconds": seconds, "warmup": warmup}
        self._process.stdin.write(json.dumps(turn) + "\n")
        self._process.stdin.flush()
        return Result(**self._read())

    def find_best(self, seconds: float) -> int:
        """Return the size with the highest rate, of those that take no longer than BATCH_S."""
        single = self.run(1, seconds, 0.0)
        most = BATCH_S * single.answered / single.seconds
        sizes = [size for size in SIZES if size <= max(1.0, most)]
        rates: dict[int, list[float]] = {size: [] for size in sizes}
        for trial in range(TRIALS):
            for size in sizes[:: -1 if trial % 2 else 1]:
                result = self.run(size, seconds, seconds / 4)
                rates[size].append(result.answered / result.seconds)
        return max(sizes, key=lambda size: median(rates[size]))

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise TidemillError("The bare loop ended; the reason stands above.")
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
