"""A champion that takes seconds for each answer is proved beside traffic. Then the server must end.

It is asked to end while the proof runs.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from tests.cases.names import (
    PLUGINS,
    BundleStore,
    ModelVersion,
    SqlLedger,
    SystemClock,
    VersionRegistered,
    pebbles,
)
from tests.cases.server import Server, served, wait_until
from tests.cases.verdict import require
from tests.cases.versions import much_slower, read_bundle

SIDE, WATCHED_S, PATIENCE = 5_500, 12, 30
ANSWER_S, END_S = 0.5, 12


def register_slow_version(home: Path) -> None:
    """Register v2: the champion, which takes seconds for each answer."""
    ledger = SqlLedger.existing(home / "ledger.sqlite", SystemClock())
    with ledger.begin() as unit:
        first = unit.get(ModelVersion, "v1")
        assert first is not None
        files = read_bundle(home, first.bundle)
        much_slower(SIDE)(files)
        bundle = BundleStore(home / "bundles").write(first.recipe, files)
        event = VersionRegistered(actor="x", subject="v2", bundle=bundle, run=first.run)
        unit.add(replace(first, id="v2", bundle=bundle), event)
    ledger.close()


def make_champion(home: Path, version: str) -> None:
    with closing(sqlite3.connect(home / "ledger.sqlite")) as ledger, ledger:
        assert ledger.execute("UPDATE aliases SET version = ?", (version,)).rowcount


def slowest_answer(server: Server) -> float:
    """Ask without pause for a while, and return the longest wait."""
    body, slowest, began = pebbles(1, 5, 0.0)[0].payload, 0.0, time.monotonic()
    while time.monotonic() - began < WATCHED_S:
        answer = server.ask("/v1/predict", body, timeout=PATIENCE)
        # No answer in all that time is a long wait, too.
        assert answer.status == 200 or answer.seconds > ANSWER_S, answer
        slowest = max(slowest, answer.seconds)
    return slowest


def seconds_to_end(server: Server) -> float:
    """Ask the server to end, and wait until it has."""
    began = time.monotonic()
    os.kill(server.process.pid, signal.SIGTERM)
    wait_until(server.has_ended, PATIENCE)
    return time.monotonic() - began


def test_the_proof_of_a_slow_version_stops_nothing(trained_pebbles: Path, home: Path) -> None:
    shutil.copytree(trained_pebbles, home)
    register_slow_version(home)
    path = os.pathsep.join(filter(None, [str(PLUGINS), os.environ.get("PYTHONPATH")]))
    with served(home, PYTHONPATH=path) as server:
        make_champion(home, "v2")
        slowest = slowest_answer(server)
        ended = seconds_to_end(server)
        if not server.has_ended():
            server.process.kill()
    require(
        slowest <= ANSWER_S and ended <= END_S,
        f"while it is proved a live answer takes up to {slowest:.1f} s; told to end, the server"
        f" ends after {ended:.0f} of {PATIENCE} s",
    )
