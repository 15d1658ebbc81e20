"""What comes in changes, and that is noticed."""

from __future__ import annotations

from tidemill.demo import live
from tidemill.demo.claim import Claim, Outcome, expect
from tidemill.demo.demo_run import Stage
from tidemill.domain.drift import DriftVerdict
from tidemill.loop.drift import DriftPolicy


def judge(stage: Stage) -> Outcome:
    change, within = stage.world.change, stage.world.within
    workspace = stage.workspace("drift")
    with live.serving(stage, workspace.home) as server, live.turning(stage, workspace.home):
        live.asked(stage, server, live.usual(stage, 300))
        live.until(lambda: live.drift_verdicts(workspace), f"the verdict on the old {change}")
        before = live.drift_verdicts(workspace)
        expect(not any(row.drifted for row in before), f"the old {change} is called drift")
        live.asked(stage, server, stage.world.changed(live.TAUGHT_SEED, within))

        def noticed() -> list[DriftVerdict]:
            after = live.drift_verdicts(workspace)[len(before) :]
            drifted = next((at for at, row in enumerate(after) if row.drifted), None)
            return [] if drifted is None else after[: drifted + 1]

        verdicts = live.until(noticed, f"a drift verdict after {within} predictions", 30)
    seen, last = sum(row.n for row in verdicts), verdicts[-1]
    moved = [row.feature for row in last.features if row.drifted]
    return Outcome(
        True,
        f"noticed within {within} predictions (at most {min(seen, within)}); "
        f"{len(moved)} of {len(last.features)} features drifted, {last.worst.feature} most "
        f"(PSI {last.worst.psi:.2f})",
        {
            "features": [(row.feature, row.psi, row.drifted) for row in last.features],
            "matters": DriftPolicy().psi,
        },
    )


CLAIM = Claim("drift_noticed", "A change of what comes in is noticed", judge)
