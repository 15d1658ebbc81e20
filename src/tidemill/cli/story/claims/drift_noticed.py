"""The camera changes, and that is noticed."""

from __future__ import annotations

from tidemill.cli.story import field
from tidemill.cli.story.claim import Claim, Outcome, expect
from tidemill.cli.story.stage import Stage
from tidemill.domain.drift import DriftVerdict
from tidemill.loop.drift import DriftPolicy

WITHIN = 400
"""Predictions on the new camera within which the change has to be noticed."""


def judge(stage: Stage) -> Outcome:
    workshop = stage.workspace("drift")
    with field.serving(stage, workshop.home) as server, field.turning(stage, workshop.home):
        field.asked(server, field.old_camera(stage, 300))
        field.until(lambda: field.drift_verdicts(workshop), "the verdict on the old camera")
        before = field.drift_verdicts(workshop)
        expect(not any(row.drifted for row in before), "the old camera is called drift")
        field.asked(server, field.new_camera(stage, field.TAUGHT_SEED, WITHIN))

        def noticed() -> list[DriftVerdict]:
            after = field.drift_verdicts(workshop)[len(before) :]
            drifted = next((at for at, row in enumerate(after) if row.drifted), None)
            return [] if drifted is None else after[: drifted + 1]

        verdicts = field.until(noticed, f"a drift verdict after {WITHIN} predictions", 30)
    seen, last = sum(row.n for row in verdicts), verdicts[-1]
    moved = [row.feature for row in last.features if row.drifted]
    return Outcome(
        True,
        f"noticed within {WITHIN} predictions (at most {min(seen, WITHIN)}); "
        f"{len(moved)} of {len(last.features)} features drifted, {last.worst.feature} most "
        f"(PSI {last.worst.psi:.2f})",
        {
            "features": [(row.feature, row.psi, row.drifted) for row in last.features],
            "matters": DriftPolicy().psi,
        },
    )


CLAIM = Claim("drift_noticed", "A changed camera is noticed", judge)
