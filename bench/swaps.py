"""What a thousand swaps of the champion cost their users, and the memory: `python -m bench.swaps`.

Three versions of the one-second recipe take turns, so each swap loads one, proves it and drops one.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated

import httpx
import typer
from matplotlib.figure import Figure
from uuid_utils import uuid7

from bench.attack import resident
from bench.command import run
from bench.figure import BAR, GOAL
from bench.record import Record
from bench.users import Users
from tidemill.adapters.child_process import ServerProcess
from tidemill.domain.types import Verdict
from tidemill.loop import rollout
from tidemill.testing.in_process import train_champion
from tidemill.testing.processes import require_ready, wait_for
from tidemill.testing.tiny_recipe.entry_points import PLUGINS
from tidemill.testing.tiny_recipe.pebbles import pebbles
from tidemill.workspace.promotion import record_verdict
from tidemill.workspace.workspace import Workspace

VERSIONS = 3
FLAT = 1.1
SECONDS = 120.0


def measure(
    *,
    swaps: Annotated[int, typer.Option(min=2, help="How often the champion is swapped.")] = 1_000,
    users: Annotated[int, typer.Option(min=1, help="Users that ask without pause.")] = 50,
    every: Annotated[int, typer.Option(min=1, help="Swaps between two looks at memory.")] = 100,
) -> int:
    """Swap the champion under load, and measure failed requests and the server's memory."""
    record = Record("swaps")
    with tempfile.TemporaryDirectory(prefix="swaps-") as folder:
        home = Path(folder) / "home"
        versions = train_versions(home)
        with Workspace(home, "pebble") as workspace, serve_pebbles(home) as server:
            asking = Users(lambda: server.url, users, pebbles(users, 7, 0.0))
            with asking:
                for done in range(0, swaps, every):
                    began, answered = time.monotonic(), len(asking.answered)
                    swap(workspace, server.url, versions, min(every, swaps - done), at=done)
                    record.row(
                        swaps=min(done + every, swaps),
                        mib=resident(server.pid),
                        seconds=time.monotonic() - began,
                        requests=len(asking.answered) - answered,
                        failed=asking.faults.total(),
                    )
    _judge(record)
    return record.finish(_figure(record))


def train_versions(home: Path) -> list[str]:
    """Train the versions that take turns; the first is champion."""
    train_champion(home).close()
    with Workspace(home, "pebble") as workspace:
        for seed in range(1, VERSIONS):
            workspace.train(f"seed={seed}")
        return [version.id for version in reversed(workspace.versions())]


@contextmanager
def serve_pebbles(home: Path) -> Iterator[ServerProcess]:
    """A server of a workspace of pebbles that looks for a swap 50 times a second."""
    path = os.pathsep.join(filter(None, [str(PLUGINS), os.environ.get("PYTHONPATH")]))
    with ServerProcess(home, settings={"TIDEMILL_POLL_MS": "20", "PYTHONPATH": path}) as server:
        require_ready(server.url)
        yield server


def swap(
    workspace: Workspace, url: str, versions: Sequence[str], count: int, *, at: int = 0
) -> None:
    """Promote the versions in turn, each when the server serves the one before.

    `at` is the number of swaps before. Raises TimeoutError when one is not served.
    """
    with httpx.Client(base_url=url, timeout=SECONDS, trust_env=False) as client:
        for version in islice(cycle(versions), at + 1, at + 1 + count):
            _promote(workspace, version)
            wait_for(partial(_serves, client, version), version, SECONDS)


def _serves(client: httpx.Client, version: str) -> bool:
    served: str = client.get("/v1/ready").json().get("version", "")
    return served == version


def _promote(workspace: Workspace, version: str) -> None:
    """Promote a version without judging it: what is measured here is the server."""
    now = workspace.clock.now()
    with workspace.ledger.begin() as unit:
        champion = unit.alias("champion")
        before = champion.version if champion else None
        verdict = Verdict(str(uuid7()), version, before, True, (), 0, now)
        verdict = record_verdict(unit, verdict, actor="bench")
        rollout.promote(unit, verdict, actor="bench", reason="its turn", at=now)


def _judge(record: Record) -> None:
    failed = record.rows[-1]["failed"]
    record.goal("no_failures", "no request fails", failed, met=failed == 0)
    ratio = record.rows[-1]["mib"] / record.rows[0]["mib"]
    record.goal(
        "flat",
        f"memory at the end is at most {FLAT} times that after the first swaps",
        ratio,
        met=ratio <= FLAT,
    )


def _figure(record: Record) -> Figure:
    figure = Figure(figsize=(7, 3.5), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.plot([row["swaps"] for row in record.rows], [row["mib"] for row in record.rows], color=BAR)
    axes.axhline(FLAT * record.rows[0]["mib"], color=GOAL, linestyle="--")
    axes.set(xlabel="swaps", ylabel="memory of the server, MiB", ylim=(0, None))
    return figure


if __name__ == "__main__":
    run(measure)
