"""One real `tidemill train RECIPE --json`, timed from outside."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from tidemill.adapters.child_process import argv, child_environment
from tidemill.domain.errors import TidemillError

Overrides = Annotated[
    list[str] | None, typer.Argument(help="Further experiment settings, KEY=VALUE.")
]


@dataclass(frozen=True, slots=True)
class Trained:
    """`seconds` are those of the whole command; `metrics` is a table of figures per split."""

    seconds: float
    metrics: Mapping[str, Mapping[str, float]]
    version: str
    bundle: Path


def train(
    home: Path, *overrides: str, recipe: str = "coffee", samples: Path | None = None
) -> Trained:
    """Train in the workspace `home`. Raises TidemillError when the command fails."""
    settings = {"TIDEMILL_SAMPLES": str(samples)} if samples else {}
    started = time.perf_counter()
    done = subprocess.run(
        argv("train", recipe, *overrides, "--json"),
        env=child_environment(home, settings),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise TidemillError(f"The training ended with exit code {done.returncode}; see above.")
    body: dict[str, Any] = json.loads(done.stdout)
    return Trained(seconds, body["metrics"], body["version"], home / "bundles" / body["bundle"])
