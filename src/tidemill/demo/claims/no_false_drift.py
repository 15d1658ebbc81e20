"""Traffic from the training distribution is checked for drift, and there is none."""

from __future__ import annotations

from functools import partial

from tidemill.demo import live
from tidemill.demo.claim import Claim, Outcome, expect
from tidemill.demo.demo_run import DemoRun
from tidemill.loop.drift import DriftPolicy
from tidemill.workspace.workspace import Workspace

WINDOWS, WINDOW = 5, 250


def judge(demo: DemoRun) -> Outcome:
    workspace = demo.copy_base("unchanged")
    rows = live.unchanged_examples(demo, WINDOWS * WINDOW)
    with (
        live.start_server(demo, workspace.home) as server,
        live.start_engine(demo, workspace.home),
    ):
        for number in range(WINDOWS):
            live.predict_all(demo, server, rows[number * WINDOW : (number + 1) * WINDOW])
            live.wait_for_result(
                partial(_has_verdicts, workspace, number + 1), f"verdict {number + 1}"
            )
    verdicts = live.list_drift_verdicts(workspace)
    smallest = min(verdict.n for verdict in verdicts)
    minimum = DriftPolicy().minimum
    expect(smallest >= minimum, f"a window of {smallest} was checked, {minimum} are needed")
    for verdict in verdicts:
        worst = verdict.worst
        values = f"{worst.feature}, PSI {worst.psi:.2f}, p {worst.p:.4f}"
        expect(not verdict.drifted, f"a window of {verdict.n} is called drift: {values}")
    psi = max(verdict.worst.psi for verdict in verdicts)
    return Outcome(
        True,
        f"None of {len(verdicts)} windows of at least {smallest} predictions is called drift; "
        f"the largest PSI is {psi:.2f}.",
        {"windows": live.list_psi(verdicts), "threshold": DriftPolicy().psi},
    )


def _has_verdicts(workspace: Workspace, windows: int) -> bool:
    return len(live.list_drift_verdicts(workspace)) >= windows


CLAIM = Claim(
    "no_false_drift",
    "Unchanged traffic is not called drift",
    "Examples of the test split arrive in five windows. The engine must check each window, "
    "and call none of them drift.",
    judge,
)
