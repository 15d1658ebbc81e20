"""A server is ready only after its golden samples come out right through its own routes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tidemill.demo.claim import Claim, Outcome, expect
from tidemill.demo.demo_run import DemoRun
from tidemill.demo.forgery import (
    forge_golden_label,
    forge_golden_probability,
    read_bundle_files,
    register_forgery,
)
from tidemill.testing import wait_until_ready


def judge(demo: DemoRun) -> Outcome:
    workspace = demo.copy_base("ready")
    with demo.start_server(workspace.home) as server:
        fault = wait_until_ready(server.url)
        expect(not fault, f"a sound champion is not served: {fault}")
    champion = workspace.champion()
    golden = len(workspace.bundles.open(champion.bundle).golden)
    requests = _count_golden_requests(workspace.home)
    expect(
        requests >= 3 * golden,
        f"{requests} golden requests for {golden} golden samples and three routes",
    )
    files = read_bundle_files(workspace, champion)
    for what, forged in {
        "label": forge_golden_label(files),
        "probability": forge_golden_probability(files),
    }.items():
        version = register_forgery(workspace, forged, champion)
        workspace.promote(version, override="the demo tests the golden check")
        with demo.start_server(workspace.home) as server:
            fault = wait_until_ready(server.url)
        expect(fault, f"a server whose golden sample gets a wrong {what} says that it is ready")
        expect("golden" in fault, f"a wrong {what}: it is not ready for another reason: {fault}")
    return Outcome(
        True,
        f"The server checks {golden} golden samples with {requests} requests over its routes. "
        "A wrong label or a wrong probability keeps it from being ready.",
    )


def _count_golden_requests(home: Path) -> int:
    total = 0
    for path in (home / "traffic").glob("*.sqlite"):
        with closing(sqlite3.connect(path)) as log:
            query = "SELECT count(*) FROM predictions WHERE kind = 'golden'"
            total += log.execute(query).fetchone()[0]
    return total


CLAIM = Claim(
    "readiness_checked",
    "A ready server has passed its golden samples",
    "A server starts with a sound champion, then with golden samples whose label or "
    "probability is forged. It may say that it is ready only in the first case.",
    judge,
)
