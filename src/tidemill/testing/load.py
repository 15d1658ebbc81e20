"""Load on a server, from a process of its own, so that no client slows what measures."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from tidemill.domain.errors import TidemillError
from tidemill.testing.load_client import LoadPlan


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` (0 < share <= 1) of all do not exceed.

    Nearest rank: always a measured value, never one in between. `values` may have any order. Raises
    ValueError without a value, or for another share.
    """
    if not values or not 0 < share <= 1:
        raise ValueError(f"no percentile {share} of {len(values)} values")
    return sorted(values)[math.ceil(share * len(values)) - 1]


@dataclass(frozen=True, slots=True)
class LoadResult:
    """One run of a plan: `ms` in the order of sending, `faults` by kind.

    Failed requests are in `ms`, too; a result with a fault has no value worth reading.
    """

    seconds: float
    ms: Sequence[float]
    faults: Mapping[str, int]

    @property
    def errors(self) -> int:
        return sum(self.faults.values())

    @property
    def rate(self) -> float:
        """Requests per second, all users together."""
        return len(self.ms) / self.seconds

    @property
    def p50(self) -> float:
        return percentile(self.ms, 0.5)

    @property
    def p99(self) -> float:
        return percentile(self.ms, 0.99)


def run_load(plan: LoadPlan) -> LoadResult:
    """Carry out a plan in a process of its own. Raises TidemillError when that process fails."""
    completed = subprocess.run(
        [sys.executable, "-m", "tidemill.testing.load_client"],
        input=json.dumps(asdict(plan)),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if completed.returncode:
        raise TidemillError(f"The client ended with exit code {completed.returncode}; see above.")
    return LoadResult(**json.loads(completed.stdout))
