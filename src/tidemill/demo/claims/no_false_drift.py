"""Traffic from the training distribution is judged, often enough, and is no drift."""

from __future__ import annotations

from functools import partial

from tidemill.demo import live
from tidemill.demo.claim import Claim, Outcome, expect
from tidemill.demo.demo_run import Stage
from tidemill.loop.drift import DriftPolicy
from tidemill.workspace.root import Workspace

WINDOWS, EACH = 5, 250


def judge(stage: Stage) -> Outcome:
    workspace = stage.workspace("calm")
    rows = live.usual(stage, WINDOWS * EACH)
    with live.serving(stage, workspace.home) as server, live.turning(stage, workspace.home):
        for window in range(WINDOWS):
            live.asked(stage, server, rows[window * EACH : (window + 1) * EACH])
            live.until(partial(_judged, workspace, window + 1), f"verdict {window + 1}")
    verdicts = live.drift_verdicts(workspace)
    least = min(verdict.n for verdict in verdicts)
    minimum = DriftPolicy().minimum
    expect(least >= minimum, f"a window of {least} was judged, {minimum} are needed")
    for verdict in verdicts:
        worst = verdict.worst
        told = f"{worst.feature}, PSI {worst.psi:.2f}, p {worst.p:.4f}"
        expect(not verdict.drifted, f"a window of {verdict.n} is called drift: {told}")
    worst_psi = max(verdict.worst.psi for verdict in verdicts)
    return Outcome(
        True,
        f"{len(verdicts)} windows of {least} predictions or more, no drift in any; "
        f"the largest PSI is {worst_psi:.2f}",
    )


def _judged(workspace: Workspace, windows: int) -> bool:
    return len(live.drift_verdicts(workspace)) >= windows


CLAIM = Claim("no_false_drift", "Five windows of the usual traffic are judged no drift", judge)
