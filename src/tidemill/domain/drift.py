"""Counts of live traffic, and the result of a drift check on them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tidemill.figures.charts import Bar, draw_bars
from tidemill.figures.markup import (
    build_block,
    collapse,
    figure,
    format_share,
    number_cell,
    paragraph,
    tabulate,
    word_cell,
)
from tidemill.figures.svg import WIDE

MAX_FEATURES = 30
"""Features that a notebook shows of a verdict."""

RequestKind = Literal["live", "shadow", "golden", "batch"]
"""The sender of a request: a client, a copy for the shadow version, the server's golden check, or a
batch. A drift check counts live requests.
"""


@dataclass(frozen=True, slots=True)
class Profile:
    """Counts of the traffic of one version in one time bucket; profiles can be added.

    `counts` belong to the bins of the reference in the version's bundle, end to end. `bucket` is
    the start of the time bucket. A profile is open until a drift verdict has judged it.
    """

    version: str
    kind: RequestKind
    bucket: datetime
    n: int
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """One feature's distance from the reference, and its significance.

    `psi` is the population stability index in nats, `js` the Jensen-Shannon distance in base 2 (0
    to 1). `p` is the probability that counts of one source are this far apart by either measure,
    before the correction over features.
    """

    feature: str
    psi: float
    js: float
    p: float
    drifted: bool

    @property
    def chance(self) -> str:
        """The p-value with four digits, its precision."""
        return "p < 0.0001" if self.p < 0.0001 else f"p = {self.p:.4f}"


@dataclass(frozen=True, slots=True)
class DriftVerdict:
    """The result of a drift check on one window: the profiles of one version that it closed.

    `n` predictions were compared with `reference` held-out examples. `since` and `until` are the
    first and the last bucket of the window. `threshold` is the least PSI of a drifted feature.
    """

    id: str
    version: str
    drifted: bool
    n: int
    reference: int
    since: datetime
    until: datetime
    features: tuple[FeatureDrift, ...]
    at: datetime
    threshold: float

    @property
    def worst(self) -> FeatureDrift:
        """The feature with the largest PSI, among the drifted ones if there are any."""
        return max(self.features, key=lambda row: (row.drifted, row.psi))

    @property
    def summary(self) -> str:
        """The verdict in words, without a full stop."""
        worst, drifted = self.worst, sum(row.drifted for row in self.features)
        return (
            f"{worst.feature} moved most: PSI {worst.psi:.2f}, {worst.chance}; "
            f"{drifted or 'none'} of {len(self.features)} features drifted, "
            f"{self.n} predictions against {self.reference} held-out examples"
        )

    def _repr_html_(self) -> str:
        """Return the PSI of each feature as a figure, and every distance, for a notebook."""
        ordered = sorted(self.features, key=lambda row: (row.drifted, row.psi), reverse=True)
        shown = ordered[:MAX_FEATURES]
        bars = [
            Bar(
                row.feature,
                row.psi,
                f"{row.psi:.2f}, {row.chance}{', drifted' if row.drifted else ''}",
                row.drifted,
            )
            for row in shown
        ]
        rows = [
            (
                row.feature,
                word_cell("drifted" if row.drifted else "no drift", good=not row.drifted),
                number_cell(format_share(row.psi)),
                number_cell(format_share(row.js)),
                number_cell(row.chance),
            )
            for row in shown
        ]
        caption = f"PSI of each feature; a drifted one has at least {self.threshold:g}"
        rest = len(ordered) - len(shown)
        return build_block(
            f"Drift check of {self.version}: {'drift' if self.drifted else 'no drift'}",
            paragraph(f"{self.summary}." if self.features else "No feature was compared."),
            paragraph(
                f"Predictions from {self.since:%Y-%m-%d %H:%M} to {self.until:%Y-%m-%d %H:%M} UTC."
            ),
            figure(draw_bars(bars, caption, threshold=self.threshold, width=WIDE), caption),
            paragraph(f"{rest} more features moved less." if rest else ""),
            collapse(
                "All distances" if not rest else f"The distances of these {len(shown)}",
                tabulate(("feature", "result", "PSI", "JS distance", "p-value"), rows),
            ),
        )
