"""A bundle with permuted label names is refused, however well it is signed."""

from __future__ import annotations

from tidemill.demo.claim import Claim, Outcome, expect
from tidemill.demo.demo_run import Stage
from tidemill.demo.forgery import consistent, enlist, files_of, permuted, unproved
from tidemill.workspace.promotion import judge_version


def judge(stage: Stage) -> Outcome:
    workspace = stage.workspace("names")
    champion = workspace.champion()
    files = files_of(workspace, champion)
    forgeries = {
        "classes.json permuted": permuted(files),
        "its golden samples made to agree": consistent(files),
        "two names exchanged, their golden samples dropped": unproved(files),
    }
    for name, forged in forgeries.items():
        verdict = judge_version(workspace, enlist(workspace, forged, champion))
        failed = {check.name for check in verdict.checks if not check.passed}
        expect(not verdict.passed, f"{name}: the gate let it pass")
        expect("label_names" in failed, f"{name}: refused, but only by {sorted(failed)}")
    expect(workspace.champion() == champion, "the champion has changed")
    return Outcome(True, f"{len(forgeries)} forgeries with valid digests, each refused by name")


CLAIM = Claim("label_names", "Permuted label names are refused, also when re-signed", judge)
