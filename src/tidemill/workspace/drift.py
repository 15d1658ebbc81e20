"""What the drift checks of the champion have found, as the ledger has it."""

from __future__ import annotations

from dataclasses import dataclass

from tidemill.domain.drift import DriftVerdict
from tidemill.domain.types import Run
from tidemill.loop.drift import DriftPolicy, Window, window
from tidemill.loop.window import open_profiles
from tidemill.workspace.parts import WorkspaceParts
from tidemill.workspace.policies import policies


@dataclass(frozen=True, slots=True)
class DriftReport:
    """The latest drift verdicts on a version, newest first.

    `window` counts the predictions that the next check will judge by `policy`.
    """

    version: str
    policy: DriftPolicy
    window: Window
    verdicts: tuple[DriftVerdict, ...]


class DriftPart(WorkspaceParts):
    """The method of a workspace that reports drift."""

    def drift(self, *, limit: int = 5) -> DriftReport:
        """Return the latest `limit` drift verdicts on the champion.

        Raises NotFound without a champion.
        """
        champion = self.champion()
        with self.ledger.begin(write=False) as unit:
            policy = policies(unit.get(Run, champion.run)).drift
            alias = unit.alias("champion")
            return DriftReport(
                version=champion.id,
                policy=policy,
                window=window(open_profiles(unit, alias) if alias else [], policy),
                verdicts=tuple(unit.drift_verdicts(champion.id, limit=limit)),
            )
