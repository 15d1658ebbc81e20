"""Registered versions with their records in the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from tidemill.domain.types import AliasName, ModelVersion, Run, Verdict
from tidemill.figures.charts import Point, draw_trend, scale_around
from tidemill.figures.markup import (
    Markup,
    build_block,
    figure,
    format_number,
    format_share,
    number_cell,
    paragraph,
    shorten,
    tabulate,
    tabulate_facts,
    word_cell,
)

MAX_ROWS = 50
"""Versions that a notebook shows of a list."""


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """A registered version with its run, its aliases and its verdicts, the newest verdict first."""

    version: ModelVersion
    run: Run
    aliases: tuple[AliasName, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def id(self) -> str:
        """The version's name, such as v2."""
        return self.version.id

    @property
    def accuracy(self) -> float | None:
        """The accuracy on test, or on val where there is no test; None where neither is known."""
        metrics = self.run.metrics
        accuracy: float | None = metrics.get("test", metrics.get("val", {})).get("accuracy")
        return accuracy

    def _repr_html_(self) -> str:
        """Return the scores, the origin and the latest verdict, for a notebook."""
        aliases = f", {', '.join(self.aliases)}" if self.aliases else ""
        facts = {
            "registered": f"{self.version.at:%Y-%m-%d %H:%M} UTC",
            "bundle": self.version.bundle,
            "snapshot": self.version.snapshot,
            "run": f"{self.run.id}, seed {self.run.seed}",
            "parent": self.version.parent or "",
            "code": str(self.run.code.get("revision") or ""),
        }
        earlier = len(self.verdicts) - 1
        return build_block(
            f"Version {self.id}{aliases}",
            self._tabulate_scores(),
            tabulate_facts(facts),
            *(Markup(verdict._repr_html_()) for verdict in self.verdicts[:1]),
            paragraph("The gate has not judged this version." if earlier < 0 else ""),
            paragraph(f"Earlier verdicts: {earlier}." if earlier > 0 else ""),
        )

    def _tabulate_scores(self) -> Markup:
        splits = {
            split: scores for split, scores in self.run.metrics.items() if isinstance(scores, dict)
        }
        names = list(dict.fromkeys(name for scores in splits.values() for name in scores))
        rows = [
            (split, *(number_cell(_format_score(scores.get(name))) for name in names))
            for split, scores in splits.items()
        ]
        return tabulate(("split", *(shorten(name) for name in names)), rows)


class Versions(tuple[VersionRecord, ...]):
    """Registered versions, the newest first. A notebook shows them as a table."""

    __slots__ = ()

    def __repr__(self) -> str:
        rows = (" ".join((row.id, *row.aliases, format_share(row.accuracy))) for row in self)
        return f"Versions({', '.join(rows)})"

    def _repr_html_(self) -> str:
        """Return the accuracy over the versions as a figure, and a row for each, for a notebook."""
        if not self:
            return build_block("Versions", paragraph("No version is registered yet."))
        shown = self[:MAX_ROWS]
        rows = [
            (
                row.id,
                ", ".join(row.aliases),
                number_cell(format_share(row.accuracy)),
                _verdict_cell(row),
                f"{row.version.at:%Y-%m-%d %H:%M}",
                row.version.parent or "",
                row.run.id[:13],
            )
            for row in shown
        ]
        columns = ("version", "aliases", "accuracy", "verdict", "registered", "parent", "run")
        rest = len(self) - len(shown)
        return build_block(
            f"Versions: {len(self)}",
            self._figure(),
            tabulate(columns, rows),
            paragraph(f"{rest} earlier versions are not shown." if rest else ""),
        )

    def _figure(self) -> Markup:
        # From left to right in the order of their registration.
        scored = [row for row in self[MAX_ROWS - 1 :: -1] if row.accuracy is not None]
        if len(scored) < 2:
            return Markup()
        points = [
            Point(at, row.accuracy or 0.0, row.id, strong=bool(row.verdicts) and not _allowed(row))
            for at, row in enumerate(scored)
        ]
        caption = "Accuracy on test, or on val without a test; a refused version is red"
        scale = scale_around([point.y for point in points], 0, 1)
        return figure(draw_trend(points, caption, scale, height=90), caption)


def _format_score(value: object) -> str:
    return format_number(value) if isinstance(value, int | float) else ""


def _allowed(row: VersionRecord) -> bool:
    return row.verdicts[0].allows


def _verdict_cell(row: VersionRecord) -> object:
    if not row.verdicts:
        return "not judged"
    latest = row.verdicts[0]
    word = "passed" if latest.passed else "overridden" if latest.allows else "refused"
    return word_cell(word, good=latest.allows)
