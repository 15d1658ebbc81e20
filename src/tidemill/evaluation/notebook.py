"""Shows scores in a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tidemill.domain.types import Split
from tidemill.evaluation.scores import ClassScore, SplitScores, TargetRobustness
from tidemill.figures.calibration import draw_calibration
from tidemill.figures.charts import Bar, draw_bars
from tidemill.figures.confusion import MAX_CLASSES, shade_cell, tabulate_confusion
from tidemill.figures.markup import (
    Markup,
    build_block,
    collapse,
    element,
    figure,
    format_number,
    format_share,
    join_markup,
    number_cell,
    paragraph,
    shorten,
    tabulate,
)
from tidemill.figures.svg import WIDE

MAX_CLASS_ROWS = 20
"""Classes that are shown; of more, those with the lowest recall."""
MAX_SCORED = 60
"""Targets whose scores are shown."""
MAX_TARGETS = 8
"""Targets whose classes are shown."""
ORDER: tuple[Split, ...] = ("test", "val", "fresh", "train")
"""The first split that was scored is the one whose classes are shown."""


def render_evaluation(
    targets: Mapping[str, Mapping[Split, SplitScores]],
    robustness: Mapping[str, TargetRobustness],
) -> str:
    """Return the scores of each target on each split, then its classes on the judging split."""
    if not any(targets.values()):
        return build_block("Evaluation", paragraph("No target was scored."))
    detailed = list(targets)[:MAX_TARGETS]
    rest = len(targets) - len(detailed)
    return build_block(
        "Evaluation",
        _tabulate_splits({target: targets[target] for target in list(targets)[:MAX_SCORED]}),
        *(
            part
            for target in detailed
            for part in _render_target(target, targets[target], robustness.get(target))
        ),
        paragraph(f"{rest} more targets are in `targets`." if rest else ""),
    )


def _tabulate_splits(targets: Mapping[str, Mapping[Split, SplitScores]]) -> Markup:
    rows = [
        (
            shorten(target),
            split,
            number_cell(format_number(scores.examples)),
            *(
                number_cell(format_share(value))
                for value in (
                    *(scores.accuracy, scores.macro_f1),
                    *(scores.nll, scores.ece, scores.ece_unscaled),
                )
            ),
        )
        for target, row in targets.items()
        for split, scores in row.items()
    ]
    columns = ("target", "split", "examples", "accuracy", "macro F1", "NLL")
    return tabulate((*columns, "calibration error", "before scaling"), rows)


def _render_target(
    target: str, row: Mapping[Split, SplitScores], robustness: TargetRobustness | None
) -> Iterator[Markup]:
    """Yield the parts of one target: recall, confusion, sources and robustness."""
    split = next((split for split in ORDER if split in row), None)
    if split is None:
        return
    scores = row[split]
    parts = [
        *_render_classes(scores.classes, split),
        *_render_confusion(scores, split),
        _draw_reliability(scores, split),
        _tabulate_sources(scores, split),
        _tabulate_robustness(robustness),
    ]
    if any(parts):
        yield element("p", element("strong", shorten(target)))
    yield from parts


def _render_classes(classes: Sequence[ClassScore], split: Split) -> Iterator[Markup]:
    present = [row for row in classes if row.support]
    shown, words = present, f"Recall of each class on {split}"
    if len(present) > MAX_CLASS_ROWS:
        shown = sorted(present, key=lambda row: row.recall)[:MAX_CLASS_ROWS]
        words = f"The {len(shown)} of {len(present)} classes with the lowest recall on {split}"
    bars = [
        Bar(row.label, row.recall, f"{format_share(row.recall)} of {row.support}") for row in shown
    ]
    yield figure(draw_bars(bars, words, most=1, width=WIDE), words)
    if absent := len(classes) - len(present):
        yield paragraph(f"{absent} of {len(classes)} classes have no example in {split}.")
    rows = [
        (
            shorten(row.label),
            *(number_cell(format_share(v)) for v in (row.precision, row.recall, row.f1, row.auc)),
            number_cell(str(row.support)),
        )
        for row in shown
    ]
    columns = ("class", "precision", "recall", "F1", "ROC area", "examples")
    yield collapse(f"Precision, recall and F1 on {split}", tabulate(columns, rows))


def _render_confusion(scores: SplitScores, split: Split) -> Iterator[Markup]:
    if not (scores.confusion and scores.classes):
        return
    many = len(scores.classes) > MAX_CLASSES
    yield paragraph(f"{'The commonest confusions' if many else 'Confusion matrix'} on {split}:")
    yield tabulate_confusion([row.label for row in scores.classes], scores.confusion)


def _draw_reliability(scores: SplitScores, split: Split) -> Markup:
    bins = [(row.confidence, row.accuracy, row.examples) for row in scores.reliability]
    caption = f"Accuracy by confidence on {split}; on the dashed line both are equal"
    return figure(draw_calibration(bins, caption), caption)


def _tabulate_sources(scores: SplitScores, split: Split) -> Markup:
    """Return the accuracy by source, where there are several."""
    if len(scores.sources) < 2:
        return Markup()
    lowest = sorted(scores.sources.items(), key=lambda item: item[1].accuracy)[:MAX_CLASS_ROWS]
    rows = [
        (shorten(name), number_cell(str(row.examples)), number_cell(format_share(row.accuracy)))
        for name, row in lowest
    ]
    rest = len(scores.sources) - len(rows)
    words = f"Accuracy by source on {split}, the lowest first"
    return join_markup(
        [
            paragraph(f"{words}:"),
            tabulate(("source", "examples", "accuracy"), rows),
            paragraph(f"{rest} more sources have a higher accuracy." if rest else ""),
        ]
    )


def _tabulate_robustness(robustness: TargetRobustness | None) -> Markup:
    """Return the accuracy under each corruption by its strength, shaded."""
    if robustness is None or not robustness.kinds:
        return Markup()
    strengths = max(len(row) for row in robustness.kinds.values())
    rows = [
        (
            element("th", shorten(kind)),
            *(shade_cell(format_share(value), value) for value in (robustness.untouched, *row)),
            *([""] * (strengths - len(row))),
        )
        for kind, row in robustness.kinds.items()
    ]
    words = "Corruption robustness: accuracy on validation images by the strength of a corruption"
    table = tabulate(("corruption", "none", *map(str, range(1, strengths + 1))), rows)
    return join_markup([paragraph(f"{words}:"), table])
