"""A bundle's card for people: what the model is, its scores and its origin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FIGURES = ("confusion", "reliability", "roc", "embedding")
CORRUPTIONS = "corruptions"


def render_card(description: str, lineage: Mapping[str, Any], evaluation: Mapping[str, Any]) -> str:
    """Return the card as Markdown. `evaluation.json` has every number of it."""
    lines = [
        f"# {description}",
        "",
        f"Trained on snapshot `{lineage['snapshot'][:12]}` by run `{lineage['run']}` with seed "
        f"{lineage['seed']}; weights `{lineage['weights'][:12]}`.",
        "",
    ]
    for target, scores in evaluation["targets"].items():
        test = scores["test"] or scores["val"]
        split = "test, read once" if scores["test"] else "validation; there is no test"
        lines += [
            f"## {target}",
            "",
            f"On {test['examples']} examples of {split}:",
            f"accuracy **{test['accuracy']:.3f}**, macro-F1 {test['macro_f1']:.3f}, "
            f"calibration error {test['ece']:.3f} (temperature {scores['temperature']:.2f}; "
            f"{test['ece_unscaled']:.3f} without it).",
            "",
            "| label | precision | recall | F1 | ROC area | examples |",
            "|---|--:|--:|--:|--:|--:|",
        ]
        lines += [
            f"| {row['label']} | {row['precision']:.3f} | {row['recall']:.3f} | {row['f1']:.3f} "
            f"| {_share(row['auc'])} | {row['support']} |"
            for row in test["classes"]
        ]
        if len(test["sources"]) > 1:
            lines += ["", "| source | accuracy | examples |", "|---|--:|--:|"]
            lines += [
                f"| {name} | {row['accuracy']:.3f} | {row['examples']} |"
                for name, row in test["sources"].items()
            ]
        lines += ["", *(f"![{kind}]({figure_name(kind, target)})" for kind in FIGURES), ""]
        if robustness := evaluation["corruptions"]:
            lines += _robustness(robustness["examples"], robustness["targets"][target], target)
    if small := evaluation["int8"]:
        lines += [
            f"The graph is in int8: {small['bytes_after']:,} bytes instead of "
            f"{small['bytes_before']:,}; {small['agreement']:.1%} of the answers to the validation "
            f"examples stayed, and probabilities moved by at most {small['difference']:.3f}. "
            + _ranges(small["calibrated"]),
            "",
        ]
    parity = evaluation["parity"]
    graph = "graph, before quantisation," if small else "graph"
    lines += [
        f"The exported {graph} answers as the trained network does: probabilities differ by at "
        f"most {parity['difference']:.1e} on {parity['examples']} examples.",
        "",
    ]
    return "\n".join(lines)


def _robustness(examples: int, scores: Mapping[str, Any], target: str) -> list[str]:
    """Return the accuracies under corruption, as a table and a figure."""
    strengths = range(1, 1 + max(len(row) for row in scores["kinds"].values()))
    return [
        f"{examples} validation examples, corrupted in strengths 1 to {len(strengths)}. Without "
        f"corruption, accuracy is {scores['untouched']:.3f}. The test set is not used.",
        "",
        f"| corruption | {' | '.join(map(str, strengths))} |",
        f"|---|{'--:|' * len(strengths)}",
        *(
            f"| {kind} | {' | '.join(f'{value:.3f}' for value in row)} |"
            for kind, row in scores["kinds"].items()
        ),
        "",
        f"![{CORRUPTIONS}]({figure_name(CORRUPTIONS, target)})",
        "",
    ]


def _ranges(calibrated: int) -> str:
    if calibrated:
        return f"{calibrated} training examples set its ranges."
    return "Each answer sets its own ranges, so the graph answers one payload at a time."


def figure_name(kind: str, target: str) -> str:
    """Return the file of one of a target's FIGURES, or of its CORRUPTIONS."""
    return f"{kind}-{target}.png"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
