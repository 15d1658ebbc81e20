"""A promotion and a rollback under load: both versions answer, nothing fails."""

from __future__ import annotations

import time

from tidemill.demo.claim import Broken, Claim, Outcome, expect
from tidemill.demo.clients import Crowd, crowd
from tidemill.demo.demo_run import Stage, readiness
from tidemill.workspace.promotion import promote, rollback

BETWEEN = 100
"""Answers to let pass before, between and after the two changes."""
PATIENCE = 10.0


def judge(stage: Stage) -> Outcome:
    second = stage.second()
    workspace, payloads = stage.workspace("swap"), stage.payloads()
    first = workspace.champion().id
    with stage.server(workspace.home) as server:
        ready, fault = readiness(server)
        expect(ready, f"the server is not ready: {fault}")
        began = time.monotonic()
        with crowd(server.url, payloads, stage.world.form) as people:
            people.wait(BETWEEN)
            promote(workspace, second)
            promoted = time.monotonic()
            served = _until(people, second, promoted)
            people.wait(len(people.replies) + BETWEEN)
            back = time.monotonic()
            rollback(workspace, reason="the demo takes it back")
            returned = _until(people, first, back)
            people.wait(len(people.replies) + BETWEEN)
    expect(not people.lost, f"{people.lost} of {people.begun} requests are unaccounted for")
    failed = [reply for reply in people.replies if not reply.ok]
    expect(not failed, f"{len(failed)} of {len(people.replies)} requests failed: {failed[:1]}")
    late = [r for r in people.replies if r.version == second and r.asked > back + returned]
    expect(not late, f"{len(late)} answers of {second} after {first} was served again")
    expect(served < 1, f"the promotion was served only after {served:.2f} s")
    expect(returned < 1, f"the rollback was served only after {returned:.2f} s")
    return Outcome(
        True,
        f"{len(people.replies)} requests, 0 failed; promotion served in {served:.2f} s, "
        f"rollback in {returned:.2f} s",
        {
            "answers": [[reply.answered - began, reply.version] for reply in people.replies],
            "moves": [[promoted - began, f"{second} promoted"], [back - began, "rolled back"]],
        },
    )


def _until(people: Crowd, version: str, since: float) -> float:
    """Seconds from `since` to the first answer of `version` that was asked for after it."""
    deadline = since + PATIENCE
    while time.monotonic() < deadline:
        people.wait(len(people.replies) + 1)
        new = [r for r in people.replies[-50:] if r.asked > since and r.version == version]
        if new:
            return min(reply.answered for reply in new) - since
    raise Broken(f"{version} was not served within {PATIENCE:.0f} s")


CLAIM = Claim("swap_unnoticed", "Promotion and rollback under load, no request fails", judge)
