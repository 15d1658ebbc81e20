"""Starts the asking process, so that no client shares an interpreter with what measures."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from bench.client import Plan
from bench.figures import Round
from tidemill.domain.errors import TidemillError

ROOT = Path(__file__).parents[1]


def drive(plan: Plan) -> Round:
    """Carry out a plan in a process of its own. Raises TidemillError when that process fails."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.client"],
        input=json.dumps(asdict(plan)),
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        check=False,
    )
    if done.returncode:
        raise TidemillError(f"The client ended with exit code {done.returncode}; see above.")
    return Round(**json.loads(done.stdout))
