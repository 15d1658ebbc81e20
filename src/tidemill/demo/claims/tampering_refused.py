"""A bundle that was changed where it lies is not served, signed anew or not."""

from __future__ import annotations

from tidemill.demo.claim import Claim, Outcome, expect
from tidemill.demo.demo_run import Stage, readiness
from tidemill.demo.forgery import tamper

WAYS = {
    "a file changed": (False, "does not match its manifest"),
    "and its manifest recomputed": (True, "another manifest"),
}


def judge(stage: Stage) -> Outcome:
    for way, (sign, reason) in WAYS.items():
        workspace = stage.workspace("tampered")
        tamper(workspace, workspace.champion(), sign=sign)
        with stage.server(workspace.home) as server:
            ready, fault = readiness(server)
        expect(not ready, f"{way}: it is served")
        expect(reason in fault, f"{way}: not served, but because of: {fault}")
    return Outcome(True, f"{len(WAYS)} of {len(WAYS)} refused: {', '.join(WAYS)}")


CLAIM = Claim("tampering_refused", "A tampered bundle is refused, also when re-signed", judge)
