"""A bundle's card: what the model is, what it scored and where it came from, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def render(description: str, lineage: Mapping[str, Any], evaluation: Mapping[str, Any]) -> str:
    """The card as Markdown. Every figure in it stands in `evaluation.json` too."""
    lines = [
        f"# {description}",
        "",
        f"Trained on snapshot `{lineage['snapshot'][:12]}` by run `{lineage['run']}` with seed "
        f"{lineage['seed']}; weights `{lineage['weights'][:12]}`.",
        "",
    ]
    for target, scores in evaluation["targets"].items():
        test = scores["test"] or scores["val"]
        split = "test (anchor), read once" if scores["test"] else "validation; there is no test"
        lines += [
            f"## {target}",
            "",
            f"On {test['examples']} examples of {split}:",
            f"accuracy **{test['accuracy']:.3f}**, macro-F1 {test['macro_f1']:.3f}, "
            f"calibration error {test['ece']:.3f} (temperature {scores['temperature']:.2f}).",
            "",
            "| label | precision | recall | F1 | examples |",
            "|---|--:|--:|--:|--:|",
        ]
        lines += [
            f"| {row['label']} | {row['precision']:.3f} | {row['recall']:.3f} | {row['f1']:.3f} "
            f"| {row['support']} |"
            for row in test["classes"]
        ]
        lines += ["", f"![Confusion]({confusion_name(target)})", ""]
    parity = evaluation["parity"]
    lines += [
        f"The exported graph answers as the trained network does: probabilities differ by at most "
        f"{parity['difference']:.1e} on {parity['examples']} examples.",
        "",
    ]
    return "\n".join(lines)


def confusion_name(target: str) -> str:
    """The file of a target's confusion picture."""
    return f"confusion-{target}.png"


def reliability_name(target: str) -> str:
    """The file of a target's reliability picture."""
    return f"reliability-{target}.png"
