"""Judge a challenger against the champion.

Pure functions: evidence and a policy in, checks with reasons out. Nothing here reads a clock, a
disk or a database. A check with too little data fails, and says how much is missing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tidemill.bundle import TOLERANCE
from tidemill.domain.errors import UsageError
from tidemill.domain.types import Check
from tidemill.loop.bootstrap import accuracy_lower_bound, paired_lower_bound
from tidemill.loop.evidence import Evidence, LabelUse, Outcomes, TargetEvidence
from tidemill.loop.label_shift import LabelledOutcomes, label_shift

RULE_OF_THREE = 3
"""At 95 %, an event that is expected three times occurs at least once (Hanley 1983)."""


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """How strict the gate is. Raises UsageError for a value that cannot judge.

    Accuracies and margins are shares between 0 and 1.

    floor            accuracy on test that any champion needs
    margin           largest allowed loss of accuracy on test (non-inferiority); also the largest
                     share of test that may get labels without proof
    prior_margin     required gain over always answering the commonest class
    uniform_margin   required gain of mean confidence over a uniform guess, as a share of the
                     distance to certainty
    fresh_minimum    number of fresh examples below which fresh judges nothing
    fresh_floor      agreement with fresh labels, as a lower bound, that is needed to trust them
    confidence       of every one-sided bound
    """

    floor: float = 0.6
    margin: float = 0.02
    prior_margin: float = 0.05
    uniform_margin: float = 0.1
    fresh_minimum: int = 40
    fresh_floor: float = 0.5
    confidence: float = 0.95

    def __post_init__(self) -> None:
        checks = {
            "floor": 0 <= self.floor <= 1,
            "margin": 0 < self.margin < 1,
            "prior_margin": 0 <= self.prior_margin < 1,
            "uniform_margin": 0 <= self.uniform_margin < 1,
            "fresh_minimum": self.fresh_minimum >= 1,
            "fresh_floor": 0 <= self.fresh_floor < 1,
            "confidence": 0.5 <= self.confidence < 1,
        }
        for name, holds in checks.items():
            if not holds:
                raise UsageError(f"The gate cannot use {name}={getattr(self, name)}.")


def stricter(one: GatePolicy, other: GatePolicy) -> GatePolicy:
    """Return the stricter demand of each kind of two policies."""
    return GatePolicy(
        floor=max(one.floor, other.floor),
        margin=min(one.margin, other.margin),
        prior_margin=max(one.prior_margin, other.prior_margin),
        uniform_margin=max(one.uniform_margin, other.uniform_margin),
        fresh_minimum=max(one.fresh_minimum, other.fresh_minimum),
        fresh_floor=max(one.fresh_floor, other.fresh_floor),
        confidence=max(one.confidence, other.confidence),
    )


def judge(evidence: Evidence, policy: GatePolicy) -> tuple[Check, ...]:
    """Return every check, in the order of the report."""
    checks = [label_names(evidence, policy), onnx_parity(evidence)]
    if evidence.champion_fault:
        checks.append(champion(evidence.champion_fault))
    gaining = {row.target for row in evidence.targets if fresh_gain(row, policy).passed}
    for target in evidence.targets:
        elsewhere = bool(gaining - {target.target})
        comparable = not evidence.champion_fault
        checks += _judge_target(target, policy, comparable=comparable, elsewhere=elsewhere)
    return tuple(checks)


def _judge_target(
    target: TargetEvidence, policy: GatePolicy, *, comparable: bool, elsewhere: bool
) -> Iterator[Check]:
    """Yield the checks of one target; `comparable` is false when the champion cannot be opened.

    `elsewhere` is true when another target has improved on fresh.
    """
    if not len(target.test.correct):
        yield Check("floor", False, "the snapshot has no test", target=target.target)
        return
    yield floor(target, policy)
    yield not_untrained(target, policy)
    if not comparable:
        reason = "the champion cannot be opened, so nothing can be compared"
        yield Check("non_inferiority", False, reason, target=target.target)
        return
    yield non_inferiority(target, policy)
    if not len(target.fresh.correct):
        return
    enough = fresh_enough(target, policy)
    yield enough
    if enough.passed:
        yield fresh_credible(target, policy)
        yield fresh_balanced(target, policy)
        yield fresh_gain(target, policy, elsewhere=elsewhere)


def label_names(evidence: Evidence, policy: GatePolicy) -> Check:
    """Check that the bundle's labels are those of the snapshot, each in its place.

    The bundle has the same classes, and every golden sample gets its label of the snapshot. For
    each target, labels without proof are given to at most `margin` of test. A golden sample proves
    the label that it gets. Where no training could be sure of a golden sample, test proves a label
    when more than half of its answers are correct. That is the case when fewer than three golden
    samples are expected in val at the rate of test. By the rule of three, none is then no surprise.
    """
    if not evidence.golden_samples:
        return Check("label_names", False, "the bundle has no golden samples to prove names with")
    if evidence.class_faults:
        reason = "; ".join(evidence.class_faults)
        return Check("label_names", False, reason, float(len(evidence.class_faults)), threshold=0.0)
    if wrong := len(evidence.golden_faults):
        reason = f"{wrong} golden answers are wrong: {evidence.golden_faults[0]}"
        return Check("label_names", False, reason, float(wrong), threshold=0.0)
    for target in evidence.targets:
        loose = [
            use for use in target.label_uses if not _proved(use, target, evidence.validation_rows)
        ]
        named, n = sum(use.answers for use in loose), len(target.test.correct)
        if named > policy.margin * n:
            listed = ", ".join(f"{use.label} ({use.answers})" for use in loose)
            reason = f"no golden sample proves labels of {named} of {n} test examples"
            reason = f"{reason}: {listed}"
            most = policy.margin * n
            return Check("label_names", False, reason, float(named), target.target, most)
    reason = f"{evidence.golden_samples} golden samples get the snapshot's names"
    return Check("label_names", True, reason, 0.0, threshold=0.0)


def _proved(use: LabelUse, target: TargetEvidence, validation: int) -> bool:
    # Val should contain correct answers in the same proportion as test.
    rare = use.all_correct * validation < RULE_OF_THREE * len(target.test.correct)
    return use.golden or (rare and 2 * use.correct > use.answers)


def onnx_parity(evidence: Evidence) -> Check:
    """Check that the exported graph reproduces the recorded probabilities of the training."""
    gap = evidence.parity_gap
    reason = f"largest distance {gap:.1e}, allowed {TOLERANCE:.0e}"
    passed = evidence.golden_samples > 0 and gap <= TOLERANCE
    return Check("onnx_parity", passed, reason, gap, threshold=TOLERANCE)


def champion(fault: str) -> Check:
    """Fail for a champion that cannot be opened. Any other champion, or none, needs no check."""
    return Check("champion", False, f"cannot be opened: {fault.rstrip('.')}")


def floor(target: TargetEvidence, policy: GatePolicy) -> Check:
    """Check that the challenger has a minimum accuracy on test."""
    share = float(target.test.correct.mean())
    n = len(target.test.correct)
    reason = f"accuracy {share:.3f} on {n} test examples, at least {policy.floor:.2f} needed"
    return Check("floor", share >= policy.floor, reason, share, target.target, policy.floor)


def not_untrained(target: TargetEvidence, policy: GatePolicy) -> Check:
    """Check that it is better than the commonest class and surer than a uniform guess."""
    bound = accuracy_lower_bound(target.test.correct, confidence=policy.confidence)
    # If one class is nearly everything, half of the remaining share is the most to demand.
    needed = target.prior + min(policy.prior_margin, (1 - target.prior) / 2)
    sure = float(target.test.confidence.mean())
    uniform = 1 / target.class_count
    needed_sure = uniform + policy.uniform_margin * (1 - uniform)
    learned, decided = bound >= needed, sure >= needed_sure
    reason = (
        f"accuracy is at least {bound:.3f} where the class prior gives {target.prior:.3f}; "
        f"mean confidence {sure:.3f} where a uniform guess has {uniform:.3f}"
    )
    if not learned:
        reason += f"; {needed:.3f} is needed"
    if not decided:
        reason += f"; a confidence of {needed_sure:.3f} is needed"
    return Check("not_untrained", learned and decided, reason, bound, target.target, needed)


def non_inferiority(target: TargetEvidence, policy: GatePolicy) -> Check:
    """Check that the challenger loses at most the margin against the champion on test."""
    name, champion = "non_inferiority", target.test_champion
    if champion is None:
        return Check(name, True, "there is no champion yet", None, target.target)
    n, needed = len(target.test.correct), math.ceil(RULE_OF_THREE / policy.margin)
    if n < needed:
        reason = f"{n} test examples are too few for a margin of {policy.margin}: "
        return Check(name, False, f"{reason}{needed - n} more needed", None, target.target)
    bound = paired_lower_bound(target.test.correct, champion.correct, confidence=policy.confidence)
    reason = f"accuracy moved by at least {bound:+.4f} on {n}, {-policy.margin:+.4f} allowed"
    return Check(name, bound >= -policy.margin, reason, bound, target.target, -policy.margin)


def fresh_enough(target: TargetEvidence, policy: GatePolicy) -> Check:
    """Check that there are enough fresh labels, if any, to distinguish good ones from poison."""
    n, minimum = len(target.fresh.correct), float(policy.fresh_minimum)
    missing = policy.fresh_minimum - n
    if missing > 0:
        reason = f"{n} fresh examples are too few to judge by: {missing} more needed"
        return Check("fresh_enough", False, reason, float(n), target.target, minimum)
    reason = f"{n} fresh examples, at least {policy.fresh_minimum} needed"
    return Check("fresh_enough", True, reason, float(n), target.target, minimum)


def fresh_credible(target: TargetEvidence, policy: GatePolicy) -> Check:
    """Check that one of the two models surely agrees with enough of the fresh labels.

    The lower bound of its agreement counts. A share that is reached by luck proves nothing: of few
    labels, random ones often agree with a model as much as the floor demands.
    """
    models = [target.fresh, target.fresh_champion or target.fresh]
    best = max((marks.correct for marks in models), key=np.mean)
    bound = accuracy_lower_bound(best, confidence=policy.confidence)
    reason = (
        f"a model agrees with {best.mean():.3f} of {len(best)} fresh labels, surely with "
        f"{bound:.3f}, at least {policy.fresh_floor:.2f} needed to believe them"
    )
    passed, needed = bound >= policy.fresh_floor, policy.fresh_floor
    return Check("fresh_credible", passed, reason, bound, target.target, needed)


def fresh_balanced(target: TargetEvidence, policy: GatePolicy) -> Check:
    """Check that fresh labels do not shift to one label against the champion's answers.

    A larger share of a label passes when the champion predicts it, too. Labels that the champion
    misses pass when they have the same shares as on test.
    """
    name, champion, test = "fresh_balanced", target.fresh_champion, target.test_champion
    if champion is None or test is None:
        return Check(name, True, "there is no champion yet", None, target.target)
    surprise = 1 - policy.confidence
    shift = label_shift(_judged(champion), _judged(test), surprise=surprise)
    if shift is None:
        return Check(name, False, "there is nothing to compare with", None, target.target)
    shares = (
        f"{shift.label} is {shift.share:.2f} of fresh where it is"
        f" {shift.reference_share:.2f} of test"
    )
    missed = (
        f"the champion names {shift.error_rate:.2f} of it otherwise where it does so with"
        f" {shift.reference_error_rate:.2f} on test"
    )
    if shift.p < surprise:
        reason = (
            f"{shares}, and {missed}: look at these labels, and promote with --override if they"
            " are right"
        )
        return Check(name, False, reason, shift.p, target.target, surprise)
    reason = "no label of fresh is shifted against the champion"
    if shift.share_p < surprise:
        reason = f"{shares}, but {missed}"
    return Check(name, True, reason, shift.p, target.target, surprise)


def _judged(marks: Outcomes) -> LabelledOutcomes:
    return LabelledOutcomes(marks.labels, marks.correct)


def fresh_gain(target: TargetEvidence, policy: GatePolicy, *, elsewhere: bool = False) -> Check:
    """Check that the challenger is better than the champion on fresh.

    At least one target must improve. If another target does, this one must only not be surely
    worse. A target that was correct before cannot improve, and fresh is too small to prove that it
    lost nothing; test proves that.
    """
    name, champion = "fresh_gain", target.fresh_champion
    if champion is None:
        return Check(name, True, "there is no champion yet", None, target.target)
    n = len(target.fresh.correct)
    if not n:
        return Check(name, False, "there are no fresh examples", None, target.target)
    bound = paired_lower_bound(target.fresh.correct, champion.correct, confidence=policy.confidence)
    reason = f"accuracy moved by at least {bound:+.4f} on {n} fresh"
    if bound > 0 or not elsewhere:
        return Check(name, bound > 0, reason, bound, target.target, 0.0)
    lost = int(np.sum(champion.correct & ~target.fresh.correct))
    gained = int(np.sum(target.fresh.correct & ~champion.correct))
    p = loss(lost, gained)
    surely = p < 1 - policy.confidence
    reason += (
        f"; another target gains, and {lost} lost beside {gained} gained are"
        f" {'a' if surely else 'no'} sure loss (p={p:.3f})"
    )
    return Check(name, not surely, reason, bound, target.target)


def loss(lost: int, gained: int) -> float:
    """Return the p-value of this many losses, if each pair could as well have been gained.

    The one-sided p-value of McNemar's test, in its exact binomial form (Q. McNemar, "Note on the
    Sampling Error of the Difference Between Correlated Proportions or Percentages", Psychometrika
    12, 1947). A bootstrap is overconfident for a few pairs of one direction.
    """
    n = lost + gained
    whole = math.lgamma(n + 1) - n * math.log(2)
    terms = (whole - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in range(lost, n + 1))
    return min(1.0, math.fsum(map(math.exp, terms)))
