from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tidemill.data.checks import Finding, find_faults
from tidemill.data.inspection import inspect
from tidemill.domain.errors import DataError
from tidemill.domain.types import Example

Make = Callable[..., Example]


@pytest.fixture
def judge(codec: Any, crowd: list[Example]) -> Callable[..., tuple[Finding, ...]]:
    def findings(*more: Example, base: Sequence[Example] = crowd) -> tuple[Finding, ...]:
        return find_faults(inspect([*base, *more], codec))

    return findings


Judge = Callable[..., tuple[Finding, ...]]


def test_sound_examples_have_no_findings(judge: Judge) -> None:
    assert judge() == ()


def test_what_cannot_be_read_is_one_error(judge: Judge, example: Make) -> None:
    (finding,) = judge(example(b"\xff\xfe", split="train", origin="broken.txt"))
    assert (finding.kind, finding.severity, finding.files) == (
        "undecodable",
        "error",
        ("broken.txt",),
    )
    assert finding.line() == (
        "error: broken.txt cannot be read: This is not UTF-8 text. [undecodable]"
    )


def test_a_copy_within_a_split_is_one_error(judge: Judge, example: Make) -> None:
    copy = example("rust train 3 ", "rust", split="train", origin="copy.txt")
    (finding,) = judge(copy)
    assert (finding.kind, finding.severity) == ("identical", "error")
    assert finding.files == ("rust train 3.txt", "copy.txt")


def test_a_copy_without_splits_is_identical(judge: Judge, example: Make) -> None:
    findings = judge(
        *(example(f"{label} {n}", label) for label in ("a", "b") for n in range(20)),
        example("a 3 ", "a", origin="copy.txt"),
        base=(),
    )
    assert [finding.kind for finding in findings] == ["identical"]


def test_a_copy_across_splits_is_one_leak(judge: Judge, example: Make) -> None:
    copy = example("rust train 3 ", "rust", split="test", origin="copy.txt")
    (finding,) = judge(copy)
    assert (finding.kind, finding.severity) == ("leak", "error")
    assert "rust train 3.txt (train), copy.txt (test)" in finding.sentence


def test_copies_within_and_across_splits_are_one_leak(judge: Judge, example: Make) -> None:
    copies = [
        example("rust train 3" + " " * n, "rust", split=split, origin=f"{n}.txt")
        for n, split in enumerate(["train", "val", "test"], start=1)
    ]
    (finding,) = judge(*copies)
    assert finding.kind == "leak"
    assert finding.files == ("rust train 3.txt", "1.txt", "2.txt", "3.txt")


def test_a_copy_with_another_label_is_one_conflict(judge: Judge, example: Make) -> None:
    for split in ("train", "test"):
        copy = example("rust train 3 ", "healthy", split=split, origin="copy.txt")
        (finding,) = judge(copy)
        assert (finding.kind, finding.severity) == ("conflict", "error")
        assert "copy.txt (disease=healthy)" in finding.sentence


def test_near_duplicates_are_one_warning_per_group(judge: Judge, example: Make) -> None:
    group = [
        example(f"leaf {n}|{0xFF << n:x}", "rust", split="train", origin=f"{n}.txt")
        for n in range(8)
    ]
    (finding,) = judge(*group)
    assert (finding.kind, finding.severity) == ("near_duplicate", "warning")
    assert finding.sentence == (
        "8 examples look almost the same: 0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 3 more."
    )
    assert finding.files == tuple(f"{n}.txt" for n in range(8))


def test_near_duplicates_tell_that_they_cross(judge: Judge, example: Make) -> None:
    (finding,) = judge(
        example("leaf a|f0", "rust", split="train", origin="a.txt"),
        example("leaf b|f1", "healthy", split="test", origin="b.txt"),
    )
    assert finding.kind == "near_duplicate"
    assert "across train and test, with different labels: a.txt, b.txt" in finding.sentence


def test_seven_bits_apart_are_strangers(judge: Judge, example: Make) -> None:
    near = [
        example("leaf a|0", "rust", split="train"),
        example("leaf b|7f", "rust", split="train"),
    ]
    assert judge(*near) == ()


def test_a_small_class_is_one_error(judge: Judge, example: Make) -> None:
    (finding,) = judge(*(example(f"phoma {n}", "phoma", split="train") for n in range(2)))
    assert (finding.kind, finding.severity) == ("too_few", "error")
    assert finding.sentence.startswith(
        "The class phoma of disease has 2 in train where 5 are needed"
        " and none in val and none in test: phoma 0.txt"
    )


def test_a_class_that_is_not_held_back_is_too_few(judge: Judge, example: Make) -> None:
    more = [example(f"phoma {n}", "phoma", split="train") for n in range(9)]
    (finding,) = judge(*more, example("phoma v", "phoma", split="val"))
    assert "phoma of disease has none in test" in finding.sentence


def test_a_broken_file_does_not_make_its_class_small_as_well(
    judge: Judge, example: Make, crowd: list[Example]
) -> None:
    lost = {f"rust train {number}.txt" for number in range(6)}
    four = [one for one in crowd if one.origin not in lost]
    broken = example(b"\xff", "rust", split="train", origin="broken.txt")
    assert [finding.kind for finding in judge(base=four)] == ["too_few"]
    assert [finding.kind for finding in judge(broken, base=four)] == ["undecodable"]


def test_errors_come_before_warnings(judge: Judge, example: Make) -> None:
    findings = judge(
        example("leaf a|f0", "rust", split="train"),
        example("leaf b|f1", "rust", split="train"),
        example(b"\xff", "rust", split="train"),
    )
    assert [finding.severity for finding in findings] == ["error", "warning"]


def test_inspecting_keeps_no_payload_and_tells_progress(codec: Any, crowd: list[Example]) -> None:
    heard: list[int] = []
    inspection = inspect(crowd, codec, progress=heard.append)
    assert heard == list(range(1, len(crowd) + 1))
    assert not any(hasattr(row, "payload") for row in inspection.rows)


def test_an_origin_that_comes_twice_is_refused(codec: Any, example: Make) -> None:
    with pytest.raises(DataError, match=r"gives a\.txt twice"):
        inspect([example("a"), example("b", origin="a.txt")], codec)
