"""Which code is running, found out by the judge: the files as they are, and git."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from tidemill import provenance


def running(folder: Path) -> dict[str, Any]:
    """Which code runs now: what a training that is started in `folder` must record."""
    return {"package": provenance.package_digest(), "revision": _commit(folder)}


def _commit(folder: Path) -> str:
    """The commit that is checked out; empty outside a checkout or on a machine without git."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
