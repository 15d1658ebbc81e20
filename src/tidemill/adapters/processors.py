"""How many processors this process may use: of its machine, affinity and container."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def available_processors(cgroup: Path = CGROUP) -> int:
    """Return the number of processors, at least 1. A quota of 1.5 counts as 2.

    A container with a quota still sees every processor of its machine.
    """
    # macOS and Windows have no affinity.
    affinity = getattr(os, "sched_getaffinity", None)
    processors = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = _quota(cgroup)
    return processors if quota is None else max(1, min(processors, math.ceil(quota)))


def _quota(cgroup: Path) -> float | None:
    """Return the processors of the container's quota; None without one (cgroup 2, then 1)."""
    try:
        limit, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            limit = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    if not (limit.isdigit() and period.isdigit() and int(period)):
        return None  # "max", or -1
    return int(limit) / int(period)
