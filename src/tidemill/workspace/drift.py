"""Report the results of the champion's drift checks from the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from tidemill.domain.drift import DriftVerdict
from tidemill.domain.types import Run
from tidemill.figures.charts import LARGEST, Point, Scale, draw_trend
from tidemill.figures.markup import Markup, build_block, figure, paragraph
from tidemill.loop.drift import DriftPolicy, Window, window
from tidemill.loop.window import open_profiles
from tidemill.workspace.parts import WorkspaceParts
from tidemill.workspace.policies import policies

MAX_CHECKS = 50
"""Drift checks that a notebook draws; of more, the latest."""


@dataclass(frozen=True, slots=True)
class DriftReport:
    """The latest drift verdicts on a version, newest first.

    `window` counts the predictions that the next check will judge by `policy`.
    """

    version: str
    policy: DriftPolicy
    window: Window
    verdicts: tuple[DriftVerdict, ...]

    def _repr_html_(self) -> str:
        """Return the PSI over the checks as a figure, and the latest verdict, for a notebook."""
        missing, n = self.window.missing, self.window.n
        waiting = f"{n} predictions wait for the next check"
        rows = [row for row in reversed(self.verdicts[:MAX_CHECKS]) if row.features]
        points = [
            Point(at, row.worst.psi, f"{row.at:%H:%M:%S}", row.drifted)
            for at, row in enumerate(rows)
        ]
        caption = "The largest PSI of each check; one that drifted is red"
        top = max([1.5 * self.policy.psi, *(point.y for point in points if point.y <= LARGEST)])
        trend = draw_trend(
            points if len(points) > 1 else [],
            caption,
            Scale(0, top, ".2f"),
            height=90,
            threshold=self.policy.psi,
            threshold_text=f"drift from PSI {self.policy.psi:g}",
        )
        return build_block(
            f"Drift of {self.version}",
            paragraph("" if self.verdicts else "No drift check yet."),
            paragraph(f"{waiting}; it needs {missing} more." if missing else f"{waiting}."),
            figure(trend, caption),
            *(Markup(verdict._repr_html_()) for verdict in self.verdicts[:1]),
        )


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
