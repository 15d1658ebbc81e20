"""The server is ready only after its golden samples came out right through its own routes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tidemill.demo.claim import Claim, Outcome, expect
from tidemill.demo.demo_run import Stage, readiness
from tidemill.demo.forgery import enlist, files_of, misjudged, misnamed
from tidemill.workspace.promotion import promote


def judge(stage: Stage) -> Outcome:
    workspace = stage.workspace("ready")
    with stage.server(workspace.home) as server:
        ready, fault = readiness(server)
        expect(ready, f"a sound champion is not served: {fault}")
    champion = workspace.champion()
    golden = len(workspace.bundles.open(champion.bundle).golden)
    probes = _probes(workspace.home)
    expect(probes >= 3 * golden, f"{probes} probes for {golden} golden samples and three routes")
    files = files_of(workspace, champion)
    for what, forged in {"label": misnamed(files), "probability": misjudged(files)}.items():
        promote(workspace, enlist(workspace, forged, champion), override="to see who believes it")
        with stage.server(workspace.home) as server:
            ready, fault = readiness(server)
        expect(not ready, f"a server whose golden sample gets a wrong {what} says that it is ready")
        expect("golden" in fault, f"a wrong {what}: it is not ready for another reason: {fault}")
    figure = f"{golden} golden samples, {probes} probes; a wrong label and a wrong probability seen"
    return Outcome(True, figure)


def _probes(home: Path) -> int:
    total = 0
    for path in (home / "traffic").glob("*.sqlite"):
        with closing(sqlite3.connect(path)) as log:
            query = "SELECT count(*) FROM predictions WHERE kind = 'probe'"
            total += log.execute(query).fetchone()[0]
    return total


CLAIM = Claim("ready_proved", "Ready means that golden samples came out right", judge)
