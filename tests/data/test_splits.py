from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from tidemill.data.inspection import inspect
from tidemill.data.splits import assign_splits, hash_split
from tidemill.domain.types import Example, Split

Make = Callable[..., Example]
Assign = Callable[[Sequence[Example]], Mapping[str, Split]]


@pytest.fixture
def assigned(codec: Any) -> Assign:
    return lambda examples: assign_splits(inspect(examples, codec), near_distance=6)


@pytest.fixture
def many(example: Make) -> list[Example]:
    return [example(f"leaf {number}", "ab"[number % 2]) for number in range(1000)]


def shares(assigned: Mapping[str, Split]) -> dict[str, float]:
    return {split: count / len(assigned) for split, count in Counter(assigned.values()).items()}


def test_the_hash_gives_seventy_fifteen_fifteen(assigned: Assign, many: list[Example]) -> None:
    splits_of = shares(assigned(many))
    assert splits_of == pytest.approx({"train": 0.70, "val": 0.15, "test": 0.15}, abs=0.035)


def test_the_hash_is_fixed_for_ever() -> None:
    # A snapshot taken by a later release must hold back what an earlier one held back. The first
    # byte of `printf 2 | sha256sum` is d4: 0xd4 / 256 = 0.83, between 0.70 and 0.85.
    assert [hash_split(str(number)) for number in range(8)] == [
        "train",
        "train",
        "val",
        "train",
        "train",
        "test",
        "test",
        "train",
    ]


def test_neither_order_nor_label_matters(
    assigned: Assign, many: list[Example], example: Make
) -> None:
    before = assigned(many)
    shuffled = [example(one.payload, "c") for one in many]
    random.Random(1).shuffle(shuffled)
    assert assigned(shuffled) == before


def test_near_duplicates_follow_the_first_recorded(assigned: Assign, example: Make) -> None:
    leaves = [example(f"leaf {n}|{n:x}") for n in range(12)]
    alone = {leaf.origin: assigned([leaf])[leaf.origin] for leaf in leaves}
    assert len(set(alone.values())) > 1
    for first in leaves:
        others = [leaf for leaf in leaves if leaf is not first]
        assert set(assigned([first, *others]).values()) == {alone[first.origin]}


def test_given_splits_are_respected(assigned: Assign, crowd: list[Example]) -> None:
    assert assigned(crowd) == {one.origin: one.split for one in crowd}


def test_a_missing_val_is_hashed_out_of_train(
    assigned: Assign, many: list[Example], example: Make
) -> None:
    examples = [
        example(one.payload, split="test" if number % 5 == 0 else "train")
        for number, one in enumerate(many)
    ]
    splits_of = assigned(examples)
    assert all(splits_of[one.origin] == "test" for one in examples if one.split == "test")
    out_of_train = Counter(splits_of[one.origin] for one in examples if one.split == "train")
    assert set(out_of_train) == {"train", "val"}
    assert out_of_train["val"] / 800 == pytest.approx(0.15, abs=0.035)
    unsplit = assigned(many)
    assert all(unsplit[origin] == "val" for origin, split in splits_of.items() if split == "val")


def test_val_is_hashed_out_in_whole_groups(assigned: Assign, example: Make) -> None:
    held_out = example("held", split="test")
    for number in range(40):
        pair = [example(f"{number} {n}|{n:x}", split="train") for n in range(2)]
        splits_of = assigned([held_out, *pair])
        assert len({splits_of[one.origin] for one in pair}) == 1


def test_an_unsplit_example_goes_where_its_group_in_train_goes(
    assigned: Assign, example: Make
) -> None:
    new_splits = set()
    for number in range(40):
        splits_of = assigned(
            [
                example(f"given {number}|1", split="train", origin="given"),
                example(f"new {number}|3", origin="new"),
                example("far away|ffff", split="test"),
            ]
        )
        assert splits_of["new"] == splits_of["given"]
        new_splits.add(splits_of["new"])
    assert new_splits == {"train", "val"}


def test_train_alone_is_split_as_if_nothing_was_given(
    assigned: Assign, many: list[Example], example: Make
) -> None:
    assert assigned([example(one.payload, split="train") for one in many]) == assigned(many)


def test_a_given_test_gets_nothing_by_its_hash(
    assigned: Assign, many: list[Example], example: Make
) -> None:
    alone = assigned(many)
    for more in ([], [example("looked at", split="val")]):
        splits_of = dict(assigned([*many, example("judged", split="test"), *more]))
        assert splits_of.pop("judged.txt") == "test"
        splits_of = {origin: split for origin, split in splits_of.items() if origin in alone}
        assert splits_of == {
            origin: "train" if split == "test" else split for origin, split in alone.items()
        }


def test_a_given_val_leaves_the_hash_its_test(
    assigned: Assign, many: list[Example], example: Make
) -> None:
    splits_of = dict(assigned([*many, example("looked at", split="val")]))
    assert splits_of.pop("looked at.txt") == "val"
    assert splits_of == assigned(many)


def test_touching_a_held_back_group_bars_train(assigned: Assign, example: Make) -> None:
    for number in range(20):
        splits_of = assigned(
            [
                example(f"new {number}|1", origin="new"),
                example("val|3", split="val", origin="val"),
                example("train|2", split="train", origin="train"),
                example("test|0", split="test", origin="test"),
            ]
        )
        assert splits_of["new"] == "test"
        assert splits_of["train"] == "train"


def test_what_cannot_be_read_has_a_split_too(assigned: Assign, example: Make) -> None:
    assert assigned([example(b"\xff", origin="x")])["x"] in {"train", "val", "test"}
