"""A rollback is served at once, and says which feedback it no longer believes."""

from __future__ import annotations

import time

from tidemill.demo import live
from tidemill.demo.claim import Claim, Outcome, expect
from tidemill.demo.demo_run import Stage

WITHIN_S = 1.0


def judge(stage: Stage) -> Outcome:
    turned, cycle = live.honest(stage)
    workspace = stage.copied(turned.home, "rolled_back")
    one = stage.world.changed(live.UNSEEN_SEED, 1)
    with live.serving(stage, workspace.home) as server:
        [reply] = live.asked(stage, server, one)
        expect(reply.version == cycle.version, f"{reply.version} answers, not {cycle.version}")
        said = stage.run(workspace.home, "models", "rollback", "--reason", "the demo takes it back")
        began = time.monotonic()
        expect(said.code == 0, f"the rollback ended with exit code {said.code}")

        def back() -> float | None:
            [again] = live.asked(stage, server, one)
            return again.answered if again.version == cycle.champion else None

        served = live.until(back, f"an answer of {cycle.champion}", 10) - began
    expect(said.body["champion"] == cycle.champion, f"{said.body['champion']} is champion now")
    expect(served < WITHIN_S, f"the rollback was served only after {served:.2f} s")
    with workspace.ledger.begin(write=False) as unit:
        aside = {row.id for row in unit.feedback(status="quarantined", limit=None)}
        taught = {row.id for row in unit.feedback(limit=None) if row.snapshot == cycle.snapshot}
    expect(taught, "no feedback taught the version that was taken back")
    expect(aside == taught == set(said.body["quarantined"]), "the wrong feedback was quarantined")
    return Outcome(
        True,
        f"{cycle.champion} answers {served:.2f} s after the command; the {len(aside)} labels that "
        f"taught {cycle.version} are quarantined",
    )


CLAIM = Claim("rollback_quarantines", "A rollback is served within a second, and says why", judge)
