"""The serving install on its own: its size, its start: `python -m bench.install`."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Annotated

import httpx
import typer

from bench.command import run
from bench.environment import Environment, clean, content_mb, disk_mb, parts_mb
from bench.figure import bars
from bench.record import Record
from bench.workspace import leaves, served
from tidemill.adapters.child_process import PATIENCE
from tidemill.domain.errors import Unavailable
from tidemill.testing.processes import require_ready

SIZE = 235.0
READY = 1.5
UNWANTED = (
    "torch",
    "lightning",
    "scipy",
    "pyarrow",
    "hydra",
    "omegaconf",
    "alembic",
    "matplotlib",
    "tokenizers",
    "huggingface_hub",
)
LARGEST = 8


def measure(
    *,
    home: Annotated[Path, typer.Option(help="A workspace; trained when needed.")] = Path(
        ".tidemill"
    ),
    starts: Annotated[int, typer.Option(min=1, help="Starts after the first one.")] = 5,
) -> int:
    """Install what serving needs into a new environment and serve a trained workspace from it."""
    record = Record("install")
    with served(home) as workspace, tempfile.TemporaryDirectory(prefix="bench-install-") as folder:
        leaf = Path(leaves(home, 1)[0]).read_bytes()
        environment = _installed(record, Path(folder))
        parts = _size(record, environment)
        _runs(record, environment, lambda: start(environment, workspace.home, leaf), starts)
        record.row(
            what="site-packages with bytecode", value=disk_mb(environment.packages), unit="MB"
        )
    return record.finish(bars(parts, title="Serving install", unit="MB on disk", goal=SIZE))


def _installed(record: Record, folder: Path) -> Environment:
    environment = Environment(folder / "venv")
    started = time.perf_counter()
    environment.install()
    record.row(what="pip install", value=time.perf_counter() - started, unit="s")
    return environment


def _size(record: Record, environment: Environment) -> dict[str, float]:
    """Before anything ran there, so that nothing is compiled yet."""
    size = disk_mb(environment.packages)
    record.row(what="site-packages on disk, no bytecode", value=size, unit="MB")
    record.row(what="the same, contents only", value=content_mb(environment.packages), unit="MB")
    parts = dict(islice(parts_mb(environment.packages).items(), LARGEST))
    for name, part in parts.items():
        record.row(what=f"of it {name}", value=part, unit="MB")
    record.goal(
        "serve_size",
        f"site-packages take at most {SIZE:g} MB (10^6 bytes) on disk",
        size,
        met=size <= SIZE,
    )
    importable = environment.importable(UNWANTED)
    record.goal(
        "serve_lean",
        f"none of these can be imported: {', '.join(UNWANTED)}",
        ", ".join(importable) or "none",
        met=not importable,
    )
    return {"all": size, **parts}


def _runs(
    record: Record, environment: Environment, begin: Callable[[], float], starts: int
) -> None:
    """A server that does not run is an unmet goal, not an error: the size is known by then."""
    words = [str(environment.tidemill), "--help"]
    helped = subprocess.run(words, env=clean(), stdout=subprocess.DEVNULL, check=False)
    fault = f"--help ended with exit code {helped.returncode}" if helped.returncode else ""
    seconds: list[float] = []
    try:
        for _ in range(starts + 1):
            seconds.append(begin())
    except Unavailable as error:
        fault = error.message
    record.goal(
        "serve_runs",
        f"`tidemill --help` works, and {starts + 1} servers in turn get ready and answer a leaf",
        fault or f"{len(seconds)} answered",
        met=not fault,
    )
    later = seconds[1:]
    usual = median(later) if later else None
    record.goal(
        "ready",
        f"a start takes at most {READY} s from process to ready (median, bytecode there)",
        "never" if usual is None else usual,
        met=usual is not None and usual <= READY,
    )
    if usual is not None:
        record.row(what="first start, compiles every module", value=seconds[0], unit="s")
        record.row(what=f"start, median of {len(later)}", value=usual, unit="s")
        record.row(what="start, longest of these", value=max(later), unit="s")


def start(environment: Environment, home: Path, leaf: bytes) -> float:
    """Start a server there; seconds from process start to ready. It must then answer a leaf.

    Raises Unavailable when it ends, is not ready or does not answer.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(environment.tidemill), "serve", "--port", "0", "--json"],
        env={**clean(), "TIDEMILL_HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line or "url" not in (announcement := json.loads(line)):
                raise Unavailable("The server did not start; see above.")
            require_ready(announcement["url"])
            seconds = time.perf_counter() - started
            url = f"{announcement['url']}/v1/predict"
            answer = httpx.post(url, files={"file": leaf}, timeout=60, trust_env=False)
            if answer.status_code != httpx.codes.OK:
                raise Unavailable(f"The server answered {answer.status_code}: {answer.text}")
            return seconds
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


if __name__ == "__main__":
    run(measure)
