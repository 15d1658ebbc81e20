"""What a response says of a golden sample, held against what the bundle recorded of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

from tidemill.bundle import TOLERANCE, Golden
from tidemill.recipes.routes import Best, Said, Shown


def compare(sample: Golden, said: Sequence[Said], targets: Collection[str] | None = None) -> str:
    """What is wrong with an answer, as a sentence; empty when it is right.

    `targets` are those that must be there, all of the sample's unless they are given.
    """
    wanted = set(sample.labels if targets is None else targets)
    if missing := wanted - {target for target, _, _ in said}:
        return f"no answer for {', '.join(sorted(missing))}"
    for target, label, shown in said:
        if target not in sample.labels:
            return f"an answer for {target!r}, which the model does not have"
        if fault := _fault(sample, target, label, shown):
            return fault
    return ""


def _fault(sample: Golden, target: str, label: str | int, shown: Shown) -> str:
    recorded = sample.probabilities[target]
    if isinstance(label, int):
        names = sorted(recorded)
        if not 0 <= label < len(names):
            return f"{target}: the label {label} of {len(names)}"
        label = names[label]
    if isinstance(shown, Best):
        return sample.fault(target, label, recorded) or _best(recorded, target, label, shown)
    # Of a route that shows the label's probability alone, the others cannot be compared.
    if not isinstance(shown, Mapping):
        shown = {**recorded, label: shown}
    return sample.fault(target, label, shown)


def _best(recorded: Mapping[str, float], target: str, label: str, best: Best) -> str:
    """What is wrong with the likeliest labels that are shown; equal ones may change places."""
    shown, wanted = dict(best.shown), min(best.most, len(recorded))
    if not len(shown) == len(best.shown) == wanted or not shown.keys() <= recorded.keys():
        return f"{target}: {', '.join(shown) or 'nothing'} where {wanted} labels are to be shown"
    for name, probability in shown.items():
        gap = abs(recorded[name] - probability)
        if not gap <= TOLERANCE:  # so, because NaN is not greater either
            return f"{target}: probability of {name!r} is off by {gap:.2g} (at most {TOLERANCE})"
    hidden = max((recorded[name] for name in recorded.keys() - shown.keys()), default=0.0)
    falling = all(one >= other for one, other in pairwise(shown.values()))
    likeliest = not shown or (hidden <= min(shown.values()) + TOLERANCE)
    if not falling or not likeliest or (shown and best.shown[0][0] != label):
        return f"{target}: {', '.join(shown)} are not its likeliest labels in falling order"
    return ""
