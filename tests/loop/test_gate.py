"""Every check of the gate, passing and failing, on evidence that is written down by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from tidemill.bundle import TOLERANCE
from tidemill.domain.types import Check
from tidemill.loop.evidence import Evidence, LabelUse, Outcomes, TargetEvidence
from tidemill.loop.gate import (
    GatePolicy,
    floor,
    fresh_balanced,
    fresh_credible,
    fresh_enough,
    fresh_gain,
    judge,
    label_names,
    loss,
    non_inferiority,
    not_untrained,
    onnx_parity,
    stricter,
)

POLICY = GatePolicy()
TEST = 200


def marks(right: int, n: int, confidence: float = 0.9) -> Outcomes:
    """The first `right` of n are named rightly, all with the same confidence.

    Every other one is rust, and the rest miner.
    """
    return Outcomes(np.arange(n) < right, np.full(n, confidence), named(n))


def named(n: int) -> list[str]:
    return [("rust", "miner")[at % 2] for at in range(n)]


NOTHING = marks(0, 0)


def target(**fields: Any) -> TargetEvidence:
    """A good challenger without a champion, but for what is given."""
    base = TargetEvidence(
        target="disease",
        class_count=4,
        prior=0.25,
        label_uses=(
            LabelUse("rust", 100, 90, 90, golden=True),
            LabelUse("miner", 100, 90, 90, golden=True),
        ),
        test=marks(180, TEST),
        test_champion=None,
        fresh=NOTHING,
        fresh_champion=None,
    )
    return replace(base, **fields)


def against(
    test: Outcomes,
    champion: Outcomes,
    fresh: Outcomes = NOTHING,
    fresh_champion: Outcomes = NOTHING,
) -> TargetEvidence:
    return target(test=test, test_champion=champion, fresh=fresh, fresh_champion=fresh_champion)


def evidence(*targets: TargetEvidence, **fields: Any) -> Evidence:
    base = Evidence(
        targets=targets or (target(),),
        golden_samples=16,
        validation_rows=60,
        class_faults=(),
        golden_faults=(),
        parity_gap=1e-6,
    )
    return replace(base, **fields)


def verdicts(checks: tuple[Check, ...]) -> dict[str, bool]:
    return {check.name: check.passed for check in checks}


def test_a_good_first_model_passes_everything() -> None:
    checks = judge(evidence(), POLICY)
    assert verdicts(checks) == {
        "label_names": True,
        "onnx_parity": True,
        "floor": True,
        "not_untrained": True,
        "non_inferiority": True,
    }
    assert all(check.reason for check in checks)


def test_a_better_challenger_passes_everything_on_test_and_fresh() -> None:
    better = against(marks(190, TEST), marks(180, TEST), marks(90, 100), marks(60, 100))
    checks = judge(evidence(better), POLICY)
    assert all(check.passed for check in checks)
    last = [check.name for check in checks][-4:]
    assert last == ["fresh_enough", "fresh_credible", "fresh_balanced", "fresh_gain"]


def test_a_check_records_the_threshold_that_its_value_was_compared_with() -> None:
    better = against(marks(190, TEST), marks(180, TEST), marks(90, 100), marks(60, 100))
    thresholds = {check.name: check.threshold for check in judge(evidence(better), POLICY)}
    assert thresholds.pop("not_untrained") == pytest.approx(0.25 + POLICY.prior_margin)
    assert thresholds.pop("fresh_balanced") == pytest.approx(1 - POLICY.confidence)
    assert thresholds == {
        "label_names": 0,
        "onnx_parity": TOLERANCE,
        "floor": POLICY.floor,
        "non_inferiority": -POLICY.margin,
        "fresh_enough": POLICY.fresh_minimum,
        "fresh_credible": POLICY.fresh_floor,
        "fresh_gain": 0,
    }


def test_a_check_without_a_number_has_no_threshold() -> None:
    for check in (non_inferiority(target(), POLICY), fresh_gain(target(), POLICY)):
        assert (check.value, check.threshold) == (None, None)


def test_one_wrong_golden_name_is_a_refusal_that_quotes_it() -> None:
    assert label_names(evidence(), POLICY).passed
    faults = ("'rust' is predicted where 'miner' is true", "more")
    check = label_names(evidence(golden_faults=faults), POLICY)
    assert not check.passed
    assert check.reason == "2 golden answers are wrong: 'rust' is predicted where 'miner' is true"
    assert check.value == 2


def test_without_golden_samples_neither_names_nor_parity_are_proved() -> None:
    bare = evidence(golden_samples=0, parity_gap=0.0)
    assert "no golden samples" in label_names(bare, POLICY).reason
    assert not label_names(bare, POLICY).passed
    assert not onnx_parity(bare).passed


def test_a_label_table_that_is_not_the_snapshots_is_a_refusal_that_says_where() -> None:
    check = label_names(evidence(class_faults=("for disease the bundle lacks rust",)), POLICY)
    assert (check.passed, check.reason) == (False, "for disease the bundle lacks rust")


UNPROVED = {
    "often and mostly wrongly": (LabelUse("spot", 40, 20, 20, golden=False), False),
    "often, rightly, and so that val must have shown it": (
        LabelUse("spot", 12, 11, 11, golden=False),
        False,
    ),
    "often and rightly, but val need not have shown it": (
        LabelUse("spot", 9, 9, 9, golden=False),
        True,
    ),
    "often and rightly, but never with the other targets right": (
        LabelUse("spot", 40, 39, 2, golden=False),
        True,
    ),
    "often and wrongly, with proof": (LabelUse("spot", 40, 2, 2, golden=True), True),
    "more often than the margin": (LabelUse("spot", 5, 0, 0, golden=False), False),
    "no more often than the margin": (LabelUse("spot", 4, 0, 0, golden=False), True),
}


@pytest.mark.parametrize("how", UNPROVED)
def test_a_name_without_a_golden_sample_may_be_given(how: str) -> None:
    use, passes = UNPROVED[how]
    check = label_names(evidence(target(label_uses=(*target().label_uses, use))), POLICY)
    assert check.passed is passes
    if not passes:
        assert check.reason.endswith(
            f"labels of {use.answers} of 200 test examples: spot ({use.answers})"
        )
        assert check.target == "disease"


def test_names_without_proof_are_counted_together() -> None:
    few = [LabelUse(label, 3, 0, 0, golden=False) for label in ("miner", "spot")]
    assert label_names(evidence(target(label_uses=(few[0],))), POLICY).passed
    check = label_names(evidence(target(label_uses=tuple(few))), POLICY)
    assert not check.passed
    assert check.reason.endswith("miner (3), spot (3)")
    assert label_names(evidence(target(label_uses=tuple(few))), GatePolicy(margin=0.03)).passed


def test_a_champion_that_cannot_be_opened_fails_and_nothing_is_compared() -> None:
    checks = judge(evidence(target(fresh=marks(50, 100)), champion_fault="It is gone."), POLICY)
    assert verdicts(checks) == {
        "label_names": True,
        "onnx_parity": True,
        "champion": False,
        "floor": True,
        "not_untrained": True,
        "non_inferiority": False,
    }
    reasons = {check.name: check.reason for check in checks}
    assert reasons["champion"] == "cannot be opened: It is gone"
    assert reasons["non_inferiority"].startswith("the champion cannot be opened")


@pytest.mark.parametrize(
    ("parity", "passes"),
    [(0.0, True), (1e-3, True), (1.1e-3, False), (float("nan"), False), (float("inf"), False)],
)
def test_the_exported_graph_must_reproduce_the_recorded_probabilities(
    parity: float, passes: bool
) -> None:
    check = onnx_parity(evidence(parity_gap=parity))
    assert check.passed is passes
    assert "allowed 1e-03" in check.reason


@pytest.mark.parametrize(("right", "passes"), [(120, True), (119, False)])
def test_the_floor_is_the_accuracy_that_any_champion_needs(right: int, passes: bool) -> None:
    check = floor(target(test=marks(right, TEST)), POLICY)
    assert check.passed is passes
    assert check.value == right / TEST
    assert "at least 0.60 needed" in check.reason


def test_a_model_that_learned_something_is_trained() -> None:
    check = not_untrained(target(), POLICY)
    assert check.passed
    assert "needed" not in check.reason


def test_a_model_that_names_the_commonest_class_is_untrained() -> None:
    check = not_untrained(target(prior=0.9, test=marks(180, TEST, 0.99)), POLICY)
    assert not check.passed
    assert check.reason.endswith("; 0.950 is needed")


def test_a_nearly_uniform_model_is_untrained_however_lucky() -> None:
    lucky = target(test=marks(TEST, TEST, 0.27))
    check = not_untrained(lucky, POLICY)
    assert not check.passed
    assert check.reason.endswith("; a confidence of 0.325 is needed")
    assert floor(lucky, POLICY).passed


def test_a_few_lucky_examples_do_not_prove_a_training() -> None:
    assert not not_untrained(target(prior=0.5, test=marks(4, 5)), POLICY).passed
    assert not_untrained(target(prior=0.5, test=marks(160, 200)), POLICY).passed


@pytest.mark.parametrize("confidence", [float("nan"), 0.0])
def test_a_model_without_a_sensible_confidence_is_untrained(confidence: float) -> None:
    assert not not_untrained(target(test=marks(180, TEST, confidence)), POLICY).passed


def test_the_first_model_is_inferior_to_nobody() -> None:
    check = non_inferiority(target(test=marks(1, 1)), POLICY)
    assert check.passed
    assert check.reason == "there is no champion yet"


def test_a_slightly_worse_model_passes_within_the_margin_and_a_much_worse_one_does_not() -> None:
    champion = marks(1800, 2000)
    assert non_inferiority(against(marks(1790, 2000), champion), POLICY).passed
    check = non_inferiority(against(marks(1740, 2000), champion), POLICY)
    assert not check.passed
    assert "-0.0200 allowed" in check.reason
    assert check.value is not None
    assert check.value < -0.03


def test_too_little_test_is_a_refusal_that_says_how_many_are_missing() -> None:
    few = marks(100, 100)
    check = non_inferiority(against(few, few), POLICY)
    assert not check.passed
    assert check.reason.endswith("50 more needed")
    assert non_inferiority(against(marks(150, 150), marks(150, 150)), POLICY).passed
    assert non_inferiority(against(few, few), GatePolicy(margin=0.06)).passed


def test_a_snapshot_without_test_is_refused_by_one_check() -> None:
    checks = judge(evidence(target(test=NOTHING, prior=0.0)), POLICY)
    assert [check.name for check in checks if not check.passed] == ["floor"]
    assert checks[-1].reason == "the snapshot has no test"
    assert checks[-1].target == "disease"


def test_fresh_is_judged_from_the_minimum_on() -> None:
    same = marks(180, TEST)
    below = judge(evidence(against(same, same, marks(39, 39), marks(0, 39))), POLICY)
    enough = judge(evidence(against(same, same, marks(40, 40), marks(0, 40))), POLICY)
    names = {"fresh_enough", "fresh_credible", "fresh_balanced", "fresh_gain"}
    assert {check.name for check in below if not check.passed} == {"fresh_enough"}
    assert names & set(verdicts(below)) == {"fresh_enough"}
    assert {name: verdicts(enough)[name] for name in names} == dict.fromkeys(names, True)


@pytest.mark.parametrize("n", [1, 39, 40, 100])
def test_too_few_fresh_examples_are_a_refusal_that_says_how_many_are_missing(n: int) -> None:
    check = fresh_enough(target(fresh=marks(n, n)), POLICY)
    assert (check.passed, check.value, check.target) == (n >= 40, n, "disease")
    if n < 40:
        assert check.reason.endswith(f"too few to judge by: {40 - n} more needed")
    else:
        assert check.reason == f"{n} fresh examples, at least 40 needed"


def test_without_any_fresh_example_nothing_fresh_is_asked() -> None:
    same = marks(180, TEST)
    assert not [
        name for name in verdicts(judge(evidence(against(same, same)), POLICY)) if "fresh" in name
    ]


@pytest.mark.parametrize(("challenger", "champion"), [(30, 80), (80, 30), (59, 0)])
def test_fresh_labels_are_believed_when_either_model_agrees(challenger: int, champion: int) -> None:
    same = marks(180, TEST)
    evidence_row = against(same, same, marks(challenger, 100), marks(champion, 100))
    assert fresh_credible(evidence_row, POLICY).passed


def test_fresh_labels_that_no_model_agrees_with_are_not_believed() -> None:
    same = marks(180, TEST)
    doubtful = against(same, same, marks(49, 100), marks(10, 100))
    check = fresh_credible(doubtful, POLICY)
    assert not check.passed
    assert check.reason == (
        "a model agrees with 0.490 of 100 fresh labels, surely with 0.409, at least 0.50 needed to"
        " believe them"
    )
    assert fresh_gain(doubtful, POLICY).passed
    assert not all(check.passed for check in judge(evidence(doubtful), POLICY))


@pytest.mark.parametrize("n", [40, 168, 1000])
def test_random_fresh_labels_are_seldom_believed(n: int) -> None:
    policy = GatePolicy()
    draws = np.random.default_rng(n).random((2000, n)) < policy.fresh_floor
    believed = [
        fresh_credible(target(fresh=Outcomes(row, np.ones(n), named(n))), policy).passed
        for row in draws
    ]
    # 5 % and three standard errors of 2,000 draws.
    assert np.mean(believed) < 0.065


def leant(rust: int, miner: int, missed: int) -> TargetEvidence:
    """So many fresh labels; of those that are rust, the champion names the first few otherwise."""
    same = marks(160, TEST)
    labels = ["rust"] * rust + ["miner"] * miner
    correct = np.arange(len(labels)) >= missed
    champion = Outcomes(correct, np.full(len(labels), 0.9), labels)
    return against(same, same, Outcomes(correct | True, champion.confidence, labels), champion)


def test_labels_that_are_all_turned_one_way_are_not_believed() -> None:
    poisoned = leant(50, 0, 40)
    assert fresh_credible(poisoned, POLICY).passed
    assert fresh_gain(poisoned, POLICY).passed
    check = fresh_balanced(poisoned, POLICY)
    assert not check.passed
    assert check.reason == (
        "rust is 1.00 of fresh where it is 0.50 of test, and the champion names 0.80 of it"
        " otherwise where it does so with 0.20 on test: look at these labels, and promote with"
        " --override if they are right"
    )
    assert check.value is not None
    assert check.value < 0.05
    assert verdicts(judge(evidence(poisoned), POLICY))["fresh_balanced"] is False


def test_a_shift_of_the_classes_that_the_champion_sees_too_is_believed_and_said() -> None:
    check = fresh_balanced(leant(50, 5, 10), POLICY)
    assert check.passed
    assert check.reason == (
        "rust is 0.91 of fresh where it is 0.50 of test, but the champion names 0.20 of it"
        " otherwise where it does so with 0.20 on test"
    )


def test_a_class_at_which_the_champion_fails_is_believed() -> None:
    check = fresh_balanced(leant(30, 30, 30), POLICY)
    assert check.passed
    assert check.reason == "no label of fresh is shifted against the champion"


def test_a_surer_policy_needs_more_to_disbelieve() -> None:
    check = fresh_balanced(leant(36, 14, 20), POLICY)
    assert check.value is not None
    assert 0.005 < check.value < 0.05
    assert not check.passed
    assert fresh_balanced(leant(36, 14, 20), GatePolicy(confidence=0.995)).passed


def test_without_labels_on_either_side_nothing_is_balanced() -> None:
    check = fresh_balanced(replace(leant(9, 9, 1), test_champion=NOTHING), POLICY)
    assert (check.passed, check.reason) == (False, "there is nothing to compare with")


@pytest.mark.parametrize(("right", "passes"), [(80, True), (62, False), (60, False), (40, False)])
def test_on_fresh_a_gain_must_be_proved(right: int, passes: bool) -> None:
    same = marks(180, TEST)
    # The two models are right on different examples, so that a small lead may be chance.
    challenger = Outcomes(np.arange(100) >= 100 - right, np.full(100, 0.9), named(100))
    check = fresh_gain(against(same, same, challenger, marks(60, 100)), POLICY)
    assert check.passed is passes
    assert check.reason.endswith("on 100 fresh")


def test_to_answer_fresh_as_the_champion_does_is_no_gain() -> None:
    same, fresh = marks(180, TEST), marks(60, 100)
    check = fresh_gain(against(same, same, fresh, fresh), POLICY)
    assert (check.passed, check.value) == (False, 0)


def test_the_first_model_has_nothing_to_gain_over() -> None:
    check = fresh_gain(target(fresh=marks(90, 100)), POLICY)
    assert check.passed
    assert fresh_credible(target(fresh=marks(90, 100)), POLICY).passed
    assert fresh_balanced(target(fresh=marks(90, 100)), POLICY).passed


def moved(lost: int, gained: int, n: int = 52, **fields: Any) -> TargetEvidence:
    """A target of which the challenger lost and gained so many fresh examples."""
    same, at = marks(180, TEST), np.arange(n)
    challenger = Outcomes(at >= lost, np.full(n, 0.9), named(n))
    champion = Outcomes((at < lost) | (at >= lost + gained), np.full(n, 0.9), named(n))
    return replace(against(same, same, challenger, champion), **fields)


def gains(checks: tuple[Check, ...]) -> dict[str, bool]:
    return {check.target: check.passed for check in checks if check.name == "fresh_gain"}


@pytest.mark.parametrize(
    ("lost", "gained", "passes"),
    [(0, 0, True), (1, 0, True), (1, 1, True), (4, 0, True), (5, 0, False), (12, 0, False)],
)
def test_where_another_target_gains_only_a_sure_loss_is_refused(
    lost: int, gained: int, passes: bool
) -> None:
    better = moved(0, 12, target="plant")
    checks = judge(evidence(better, moved(lost, gained)), POLICY)
    assert gains(checks) == {"plant": True, "disease": passes}
    [check] = [row for row in checks if row.name == "fresh_gain" and row.target == "disease"]
    sure = "no" if passes else "a"
    assert check.reason.startswith("accuracy moved by at least ")
    assert f"{lost} lost beside {gained} gained are {sure} sure loss (p=" in check.reason
    assert (check.value == 0) is (lost == 0)


def test_where_no_target_gains_all_are_refused() -> None:
    checks = judge(evidence(moved(1, 1, target="plant"), moved(0, 0)), POLICY)
    assert gains(checks) == {"plant": False, "disease": False}


def test_a_surer_policy_needs_more_to_call_a_loss_sure() -> None:
    assert not fresh_gain(moved(6, 0), POLICY, elsewhere=True).passed
    assert fresh_gain(moved(6, 0), GatePolicy(confidence=0.99), elsewhere=True).passed


@pytest.mark.parametrize("differ", [0.02, 0.06, 0.2, 0.5])
@pytest.mark.parametrize("n", [52, 200])
def test_a_challenger_that_is_as_good_elsewhere_is_rarely_refused(differ: float, n: int) -> None:
    rng, seeds = np.random.default_rng(0), 400
    pairs = rng.binomial(n, differ, seeds)
    lost = rng.binomial(pairs, 0.5)
    rows = [moved(int(a), int(b - a), n) for a, b in zip(lost, pairs, strict=True)]
    passed = [fresh_gain(row, POLICY, elsewhere=True).passed for row in rows]
    assert np.mean(passed) >= 0.9


def test_a_challenger_that_is_far_worse_elsewhere_is_mostly_refused() -> None:
    lost = np.random.default_rng(0).binomial(52, 0.2, 400)
    passed = [fresh_gain(moved(int(a), 1), POLICY, elsewhere=True).passed for a in lost]
    assert np.mean(passed) <= 0.1


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 80), st.integers(0, 80))
def test_a_loss_is_as_sure_as_the_sign_test_says(lost: int, gained: int) -> None:
    pairs = lost + gained
    expected = binomtest(lost, pairs, alternative="greater").pvalue if pairs else 1
    assert loss(lost, gained) == pytest.approx(expected, rel=1e-9)


def test_every_target_is_judged_and_named() -> None:
    poor = target(target="plant", test=marks(20, TEST))
    checks = judge(evidence(target(), poor), POLICY)
    assert {check.target for check in checks} == {"", "disease", "plant"}
    assert {check.target for check in checks if not check.passed} == {"plant"}
    assert len(checks) == 2 + 3 + 3


answers = st.integers(0, 2**31).map(
    lambda seed: np.random.default_rng(seed).random(np.random.default_rng(seed).integers(150, 600))
)


@settings(deadline=None, max_examples=40)
@given(answers, st.floats(0, 1))
def test_a_challenger_that_equals_the_champion_is_never_inferior(
    draws: np.ndarray[Any, np.dtype[np.float64]], share: float
) -> None:
    same = Outcomes(draws < share, np.full(len(draws), 0.9), named(len(draws)))
    assert non_inferiority(against(same, same), POLICY).passed


@settings(deadline=None, max_examples=40)
@given(
    n=st.integers(150, 2000),
    margin=st.floats(0.02, 0.1),
    slack=st.floats(0.005, 0.2),
    gained=st.integers(0, 30),
)
def test_a_challenger_worse_than_the_margin_is_always_inferior(
    n: int, margin: float, slack: float, gained: int
) -> None:
    lost = gained + int(np.ceil(n * (margin + slack)))
    at = np.arange(n)
    champion = Outcomes((at < lost) | (at >= n - 20), np.full(n, 0.9), named(n))
    challenger = Outcomes(
        (at >= lost) & (at < lost + gained) | (at >= n - 20), np.full(n, 0.9), named(n)
    )
    assert not non_inferiority(against(challenger, champion), GatePolicy(margin=margin)).passed


def test_of_two_policies_the_harder_demands_count() -> None:
    lax = GatePolicy(floor=0.1, margin=0.5, fresh_minimum=1, confidence=0.6)
    assert stricter(lax, GatePolicy()) == stricter(GatePolicy(), lax) == GatePolicy()
