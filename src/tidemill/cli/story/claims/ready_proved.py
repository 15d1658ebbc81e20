"""The server is ready only after its golden samples came out right through its own routes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tidemill.cli.story.claim import Claim, Outcome, expect
from tidemill.cli.story.forgery import enlist, files_of, misnamed
from tidemill.cli.story.stage import Stage, readiness
from tidemill.workshop.promotion import promote


def judge(stage: Stage) -> Outcome:
    workshop = stage.workspace("ready")
    with stage.server(workshop.home) as server:
        ready, fault = readiness(server)
        expect(ready, f"a sound champion is not served: {fault}")
    champion = workshop.champion()
    golden = len(workshop.bundles.open(champion.bundle).golden)
    probes = _probes(workshop.home)
    expect(probes >= 3 * golden, f"{probes} probes for {golden} golden samples and three routes")
    wrong = enlist(workshop, misnamed(files_of(workshop, champion)), champion)
    promote(workshop, wrong, override="to see whether the server believes it")
    with stage.server(workshop.home) as server:
        ready, fault = readiness(server)
        expect(not ready, "a server whose golden sample comes out wrong says that it is ready")
        expect("golden" in fault, f"it is not ready for another reason: {fault}")
    return Outcome(True, f"{golden} golden samples, {probes} probes through its routes")


def _probes(home: Path) -> int:
    total = 0
    for path in (home / "traffic").glob("*.sqlite"):
        with closing(sqlite3.connect(path)) as log:
            query = "SELECT count(*) FROM predictions WHERE kind = 'probe'"
            total += log.execute(query).fetchone()[0]
    return total


CLAIM = Claim("ready_proved", "Ready means that golden samples came out right", judge)
