from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.data.checks import find_faults
from tidemill.data.inspection import inspect
from tidemill.data.policy import Resolution, apply_policy
from tidemill.domain.errors import DataRefused, UsageError
from tidemill.domain.types import Example

Make = Callable[..., Example]
Settle = Callable[..., Resolution]

LEAF = st.tuples(
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["healthy", "rust"]),
    st.sampled_from(["train", "val", "test", None]),
)


@pytest.fixture
def settle(codec: Any, crowd: list[Example]) -> Settle:
    def resolution(policy: str, *more: Example, **choices: bool) -> Resolution:
        inspection = inspect([*crowd, *more], codec)
        return apply_policy(inspection, find_faults(inspection), policy, **choices)

    return resolution


@pytest.fixture
def faults(example: Make) -> list[Example]:
    """One fault of every kind that a policy can settle."""
    return [
        example(b"\xff", "rust", split="train", origin="broken.txt"),
        example("rust train 1 ", "rust", split="train", origin="copy.txt"),
        example("rust test 1 ", "rust", split="train", origin="leaked.txt"),
        example("rust train 2 ", "healthy", split="train", origin="disputed.txt"),
    ]


@pytest.mark.parametrize("policy", ["stop", "drop", "majority", "keep"])
def test_sound_examples_are_left_alone(settle: Settle, policy: str) -> None:
    assert settle(policy) == Resolution({}, {})


def test_stop_refuses_with_a_line_per_error(settle: Settle, faults: list[Example]) -> None:
    with pytest.raises(DataRefused) as raised:
        settle("stop", *faults)
    assert raised.value.message == "The checks found 4 faults in the data."
    assert "checks.policy=drop" in raised.value.hint
    assert len(raised.value.lines) == 4
    for fault in faults:
        assert sum(fault.origin in line for line in raised.value.lines) == 1


def test_drop_keeps_the_first_and_the_held_back(settle: Settle, faults: list[Example]) -> None:
    resolution = settle("drop", *faults)
    assert set(resolution.excluded) == {
        "broken.txt",
        "copy.txt",
        "leaked.txt",
        "disputed.txt",
        "rust train 2.txt",
    }
    assert resolution.relabelled == {}
    assert resolution.excluded["broken.txt"] == "broken.txt cannot be read: This is not UTF-8 text."


def test_keep_leaves_out_only_what_cannot_be_read(settle: Settle, faults: list[Example]) -> None:
    assert set(settle("keep", *faults).excluded) == {"broken.txt"}


def test_a_leak_keeps_test_over_val_over_train(settle: Settle, example: Make) -> None:
    in_val = example("rust train 1 ", split="val", origin="val.txt")
    in_test = example("rust train 1  ", split="test", origin="test.txt")
    assert set(settle("drop", in_val).excluded) == {"rust train 1.txt"}
    assert set(settle("drop", in_val, in_test).excluded) == {"rust train 1.txt", "val.txt"}


def test_a_majority_keeps_one_file_under_the_commonest_label(settle: Settle, example: Make) -> None:
    resolution = settle(
        "majority",
        example("leaf", "rust", split="train", origin="1.txt"),
        example("leaf ", "healthy", split="train", origin="2.txt"),
        example("leaf  ", "healthy", split="train", origin="3.txt"),
    )
    assert set(resolution.excluded) == {"2.txt", "3.txt"}
    assert resolution.relabelled == {"1.txt": {"disease": "healthy"}}


def test_a_majority_keeps_what_was_held_back(settle: Settle, example: Make) -> None:
    resolution = settle(
        "majority",
        example("leaf", "rust", split="train", origin="1.txt"),
        example("leaf ", "rust", split="train", origin="2.txt"),
        example("leaf  ", "healthy", split="test", origin="3.txt"),
    )
    assert set(resolution.excluded) == {"1.txt", "2.txt"}
    assert resolution.relabelled == {"3.txt": {"disease": "rust"}}


def test_a_tie_leaves_out_all(settle: Settle, example: Make) -> None:
    resolution = settle(
        "majority",
        *(
            example("leaf" + " " * n, label, split="train", origin=f"{n}.txt")
            for n, label in enumerate(["rust", "healthy", "healthy", "rust", "phoma"])
            if label != "phoma"
        ),
    )
    assert set(resolution.excluded) == {"0.txt", "1.txt", "2.txt", "3.txt"}
    assert resolution.relabelled == {}


@pytest.mark.parametrize("policy", ["stop", "drop", "majority", "keep"])
def test_no_policy_waives_a_small_class(settle: Settle, example: Make, policy: str) -> None:
    with pytest.raises(DataRefused) as raised:
        settle(policy, example("phoma", "phoma", split="train"))
    assert "[too_few]" in raised.value.lines[0]
    assert "no policy waives this" in raised.value.hint


@pytest.fixture
def faulty_test(example: Make) -> list[Example]:
    """A test that repeats and contradicts itself and what is learnt; two rows beside it do so."""
    return [
        example("leaf", "rust", split="test", origin="1.txt"),
        example("leaf ", "healthy", split="test", origin="2.txt"),
        example("leaf  ", "healthy", split="train", origin="3.txt"),
        example("leaf   ", "healthy", split="val", origin="4.txt"),
        example("twig", "rust", split="test", origin="5.txt"),
        example("twig ", "rust", split="test", origin="6.txt"),
        example("stem", "rust", split="test", origin="7.txt"),
        example("stem ", "rust", origin="8.txt"),
        example("bark", "rust", split="train", origin="9.txt"),
        example("bark ", "healthy", split="train", origin="10.txt"),
        example("bark  ", "healthy", split="train", origin="11.txt"),
    ]


@pytest.mark.parametrize("policy", ["drop", "majority", "keep"])
def test_a_given_test_stays_as_it_is(
    settle: Settle, faulty_test: list[Example], policy: str
) -> None:
    resolution = settle(policy, *faulty_test, keep_test=True)
    elsewhere = {
        "drop": {"9.txt", "10.txt", "11.txt"},
        "majority": {"10.txt", "11.txt"},
        "keep": set(),
    }
    assert set(resolution.excluded) == {"3.txt", "4.txt", "8.txt"} | elsewhere[policy]
    assert set(resolution.relabelled) == ({"9.txt"} if policy == "majority" else set())


def test_without_being_kept_a_test_is_settled_as_the_rest(
    settle: Settle, faulty_test: list[Example]
) -> None:
    resolution = settle("majority", *faulty_test)
    assert resolution.relabelled["1.txt"] == {"disease": "healthy"}
    assert {"2.txt", "6.txt"} < set(resolution.excluded)


def test_a_kept_test_is_no_pardon(
    settle: Settle, faulty_test: list[Example], example: Make
) -> None:
    with pytest.raises(DataRefused):
        settle("stop", *faulty_test, keep_test=True)
    broken = example(b"\xff", "rust", split="test", origin="broken.txt")
    assert set(settle("keep", broken, keep_test=True).excluded) == {"broken.txt"}


def test_warnings_change_nothing(settle: Settle, example: Make) -> None:
    near = [
        example("leaf a|f0", "rust", split="train"),
        example("leaf b|f1", "rust", split="test"),
    ]
    assert settle("stop", *near) == Resolution({}, {})


def test_another_policy_is_a_usage_error(settle: Settle) -> None:
    with pytest.raises(UsageError, match="'ignore'"):
        settle("ignore")


@given(leaves=st.lists(LEAF, max_size=12), policy=st.sampled_from(["drop", "majority"]))
def test_what_is_settled_stays_settled(
    codec: Any, example: Make, leaves: list[Any], policy: str
) -> None:
    examples = [
        example(content + " " * number, label, split=split, origin=str(number))
        for number, (content, label, split) in enumerate(leaves)
    ]
    inspection = inspect(examples, codec)
    faults = [one for one in find_faults(inspection) if one.kind != "too_few"]
    resolution = apply_policy(inspection, faults, policy)
    left = [
        replace(one, labels=resolution.relabelled.get(one.origin, one.labels))
        for one in examples
        if one.origin not in resolution.excluded
    ]
    again = find_faults(inspect(left, codec))
    assert {one.kind for one in again} <= {"too_few", "near_duplicate"}
    held_back = {one.payload.strip() for one in examples if one.split == "test"}
    learnt = {one.payload.strip() for one in left if one.split in ("val", "train")}
    assert not held_back & learnt
