"""The inputs change, and drift is detected."""

from __future__ import annotations

from tidemill.demo import live
from tidemill.demo.claim import Claim, Outcome, expect
from tidemill.demo.demo_run import DemoRun
from tidemill.domain.drift import DriftVerdict
from tidemill.loop.drift import DriftPolicy

UNCHANGED = 300


def judge(demo: DemoRun) -> Outcome:
    change, limit = demo.scenario.change, demo.scenario.detection_limit
    workspace = demo.copy_base("drift")
    with (
        live.start_server(demo, workspace.home) as server,
        live.start_engine(demo, workspace.home),
    ):
        live.predict_all(demo, server, live.unchanged_examples(demo, UNCHANGED))
        live.wait_for_result(
            lambda: live.list_drift_verdicts(workspace), f"the verdict on the old {change}"
        )
        before = live.list_drift_verdicts(workspace)
        expect(not any(row.drifted for row in before), f"the old {change} is called drift")
        shifted = demo.shifted_examples(live.LABELLED_SEED, limit)
        live.predict_all(demo, server, shifted)

        def verdicts_to_first_drift() -> list[DriftVerdict]:
            after = live.list_drift_verdicts(workspace)[len(before) :]
            drifted = next((at for at, row in enumerate(after) if row.drifted), None)
            return [] if drifted is None else after[: drifted + 1]

        verdicts = live.wait_for_result(
            verdicts_to_first_drift, f"a drift verdict after {limit} predictions", 30
        )
    delay = min(sum(row.n for row in verdicts), limit)
    last = verdicts[-1]
    drifted = [row.feature for row in last.features if row.drifted]
    return Outcome(
        True,
        f"After the {change} changes, drift is detected within {delay} predictions "
        f"({limit} are allowed). {len(drifted)} of {len(last.features)} features drifted; "
        f"{last.worst.feature} moved most (PSI {last.worst.psi:.2f}).",
        {
            "features": [(row.feature, row.psi, row.drifted) for row in last.features],
            "threshold": DriftPolicy().psi,
            "delay": delay,
            "windows": live.list_psi(before, verdicts),
        },
    )


CLAIM = Claim(
    "drift_detected",
    "A change of the inputs is detected as drift",
    "Unchanged examples arrive first, then shifted ones. The engine must call the second "
    "drift within a fixed number of predictions, and not the first.",
    judge,
)
