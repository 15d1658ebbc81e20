"""Feedback import for a server: the command in a process of its own.

The import loads what a server does not: the reader of another database, and the recipe.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidemill.adapters.child_process import argv, child_environment
from tidemill.domain.errors import Unavailable, read_error

PATIENCE_S = 600
"""How long an import may take. What it has read stays; the next one goes on from there."""


def pull_feedback(home: Path, settings: Mapping[str, str]) -> dict[str, Any]:
    """Run `tidemill feedback pull` over a workspace, and return what it counted.

    Raises the error that the command reports, and Unavailable when it reports none.
    """
    try:
        done = subprocess.run(
            argv("feedback", "pull", "--json"),
            env=child_environment(home, settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=PATIENCE_S,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(
            f"The import took more than {PATIENCE_S} seconds.", hint="The next one goes on."
        ) from error
    try:
        body = json.loads(done.stdout)
    except ValueError:
        body = None
    reported = read_error(body)
    if reported is not None:
        raise reported
    if done.returncode or not isinstance(body, dict):
        raise Unavailable(
            f"The import ended with exit code {done.returncode}.",
            hint="`tidemill feedback pull` in the workspace says why.",
        )
    return body
