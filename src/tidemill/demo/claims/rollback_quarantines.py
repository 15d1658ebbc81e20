"""A rollback is served at once and quarantines the feedback behind the bad version."""

from __future__ import annotations

import time

from tidemill.demo import live
from tidemill.demo.claim import Claim, Outcome, expect
from tidemill.demo.demo_run import DemoRun

LIMIT_S = 1.0


def judge(demo: DemoRun) -> Outcome:
    retrained, cycle = live.run_honest_cycle(demo)
    workspace = demo.copy_workspace(retrained.home, "rolled_back")
    example = demo.shifted_examples(live.UNLABELLED_SEED, 1)
    with live.start_server(demo, workspace.home) as server:
        [reply] = live.predict_all(demo, server, example)
        expect(reply.version == cycle.version, f"{reply.version} serves, not {cycle.version}")
        rollback = demo.run_command(
            workspace.home, "models", "rollback", "--reason", "the demo rolls back"
        )
        began = time.monotonic()
        expect(rollback.exit_code == 0, f"the rollback ended with exit code {rollback.exit_code}")

        def served_at() -> float | None:
            [again] = live.predict_all(demo, server, example)
            return again.received_at if again.version == cycle.champion else None

        seconds = live.wait_for_result(served_at, f"a reply of {cycle.champion}", 10) - began
    output = rollback.output
    expect(output["champion"] == cycle.champion, f"{output['champion']} is champion now")
    expect(seconds < LIMIT_S, f"the rollback was served only after {seconds:.2f} s")
    with workspace.ledger.begin(write=False) as unit:
        quarantined = {row.id for row in unit.feedback(status="quarantined", limit=None)}
        learnt = {row.id for row in unit.feedback(limit=None) if row.snapshot == cycle.snapshot}
    expect(learnt, "the version that was taken back learnt from no feedback")
    expect(
        quarantined == learnt == set(output["quarantined"]), "the wrong feedback was quarantined"
    )
    return Outcome(
        True,
        f"{cycle.champion} serves {seconds:.2f} s after the command, and the {len(quarantined)} "
        f"labels that {cycle.version} learnt from are quarantined.",
    )


CLAIM = Claim(
    "rollback_quarantines",
    "A rollback takes a second and quarantines its feedback",
    "The version of a finished cycle is rolled back by its command. The previous version must "
    "serve within a second, and exactly the feedback that the bad version learnt from must be "
    "quarantined.",
    judge,
    alone=True,
)
