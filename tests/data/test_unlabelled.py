"""Examples without labels: seen beside others, never learnt from, never judged by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.data.retraining import AT, DISTANCE, Extend, Make, accept_label, rows
from tidemill.data import policy, splits
from tidemill.data.checks import Finding, find_faults
from tidemill.data.inspection import Inspection, inspect
from tidemill.data.snapshot_import import SnapshotImport, import_snapshot
from tidemill.data.snapshots import SnapshotStore
from tidemill.data.splits import joining_split
from tidemill.data.statistics import describe_snapshot
from tidemill.domain.errors import DataError, DataRefused
from tidemill.domain.types import Example, Split, payload_id

Write = Callable[..., Any]
MakeUnlabelled = Callable[..., Example]
Import = Callable[..., SnapshotImport]


@pytest.fixture
def make_unlabelled(example: Make) -> MakeUnlabelled:
    """Makes an example without labels."""

    def bare_example(payload: str, *, split: Split | None = None, origin: str = "") -> Example:
        return replace(example(payload, split=split, origin=origin), labels={})

    return bare_example


@pytest.fixture
def import_examples(codec: Any, store: SnapshotStore, source: Any) -> Import:
    def run(examples: Sequence[Example], chosen: str = "stop") -> SnapshotImport:
        return import_snapshot(
            source(examples),
            codec,
            store,
            recipe="leaves",
            policy=chosen,
            near_distance=DISTANCE,
            minimum_per_class=5,
            at=AT,
        )

    return run


def judged(inspection: Inspection) -> tuple[Finding, ...]:
    return find_faults(inspection, near_distance=DISTANCE, minimum_per_class=5)


def test_they_are_one_warning_that_counts_them(
    codec: Any, crowd: list[Example], make_unlabelled: MakeUnlabelled
) -> None:
    one = [make_unlabelled("leaf 0", split="train")]
    [finding] = judged(inspect([*crowd, *one], codec))
    assert finding.line() == (
        "warning: 1 example has no label, to be seen but not learnt from: leaf 0.txt. [unlabelled]"
    )
    seven = [make_unlabelled(f"leaf {n}", split="train" if n % 2 else None) for n in range(7)]
    [finding] = judged(inspect([*crowd, *seven], codec))
    assert finding.sentence.startswith("7 examples have no label, to be seen but not learnt from: ")
    assert finding.sentence.endswith("leaf 4.txt and 2 more.")
    assert finding.files == tuple(row.origin for row in seven)


def test_one_that_is_held_back_is_an_error(
    codec: Any, crowd: list[Example], make_unlabelled: MakeUnlabelled
) -> None:
    held_out = [make_unlabelled("leaf 0", split="val"), make_unlabelled("leaf 1", split="test")]
    findings = judged(inspect([*crowd, *held_out], codec))
    assert [(row.kind, row.severity, row.files) for row in findings] == [
        ("missing_label", "error", ("leaf 0.txt",)),
        ("missing_label", "error", ("leaf 1.txt",)),
    ]
    assert findings[1].sentence == "leaf 1.txt is held out in test and has no label."


def test_no_policy_lets_one_judge(
    import_examples: Import, crowd: list[Example], make_unlabelled: MakeUnlabelled
) -> None:
    rows = [
        *crowd,
        make_unlabelled("leaf 0", split="val"),
        make_unlabelled("leaf 1", split="train"),
    ]
    with pytest.raises(DataRefused):
        import_examples(rows)
    for chosen in ("drop", "majority", "keep"):
        run = import_examples(rows, chosen)
        assert list(run.excluded) == ["leaf 0.txt"]
        assert run.snapshot.splits == {"train": 21, "val": 6, "test": 6}


def test_a_label_outvotes_none_in_a_conflict(
    codec: Any, crowd: list[Example], example: Make, make_unlabelled: MakeUnlabelled
) -> None:
    same = [
        make_unlabelled("leaf", origin="a.txt"),
        make_unlabelled("leaf ", origin="b.txt"),
        example("leaf", "rust"),
    ]
    inspection = inspect([*crowd, *same], codec)
    findings = judged(inspection)
    [conflict] = [row for row in findings if row.kind == "conflict"]
    assert "a.txt (no label), b.txt (no label), leaf.txt (disease=rust)" in conflict.sentence
    settled = policy.apply_policy(inspection, findings, "majority")
    assert settled.relabelled == {"a.txt": {"disease": "rust"}}
    assert set(settled.excluded) == {"b.txt", "leaf.txt"}


def test_they_are_in_train_wherever_their_hash_would_put_them(
    codec: Any, make_unlabelled: MakeUnlabelled
) -> None:
    loose = [make_unlabelled(f"leaf {n}", split="train" if n % 2 else None) for n in range(60)]
    assigned = splits.assign_splits(inspect(loose, codec), near_distance=DISTANCE)
    assert set(assigned.values()) == {"train"}


def test_beside_them_labelled_examples_go_where_they_would_go_alone(
    codec: Any, example: Make, make_unlabelled: MakeUnlabelled
) -> None:
    labelled = [example(f"leaf {n}") for n in range(60)]
    alone = splits.assign_splits(inspect(labelled, codec), near_distance=DISTANCE)
    beside = [*labelled, *(make_unlabelled(f"stem {n}") for n in range(60))]
    together = splits.assign_splits(inspect(beside, codec), near_distance=DISTANCE)
    assert {origin: together[origin] for origin in alone} == alone
    assert set(alone.values()) == {"train", "val", "test"}


@pytest.mark.parametrize("split", ["val", "test", "fresh"])
def test_a_snapshot_holds_none_back(
    store: SnapshotStore,
    write: Write,
    crowd: list[Example],
    make_unlabelled: MakeUnlabelled,
    split: Split,
) -> None:
    with pytest.raises(DataError, match=f"leaf.txt is held out in {split} and has no label"):
        write([*crowd, make_unlabelled("leaf", split=split)])
    assert store.list() == ()


def test_a_snapshot_keeps_and_counts_them(
    store: SnapshotStore,
    import_examples: Import,
    crowd: list[Example],
    make_unlabelled: MakeUnlabelled,
) -> None:
    snapshot = import_examples(
        [*crowd, make_unlabelled("leaf 0"), make_unlabelled("leaf 1", split="train")]
    ).snapshot
    assert snapshot.classes == {"disease": ("healthy", "rust")}
    assert rows(store, snapshot.id)["leaf 0"].labels == {}
    statistics = describe_snapshot(store.open(snapshot.id))
    assert (
        statistics["rows"],
        statistics["unlabelled"],
        statistics["splits"]["train"]["rows"],
    ) == (34, 2, 22)


@pytest.mark.parametrize("written", ["{}", "{}\n"])
def test_feedback_on_one_labels_it_and_puts_it_where_a_new_example_would_go(
    extend: Extend,
    store: SnapshotStore,
    write: Write,
    crowd: list[Example],
    make_unlabelled: MakeUnlabelled,
    written: str,
) -> None:
    """The bytes that the snapshot has stay; the ones of the feedback may be others."""
    texts = [f"leaf {n}" for n in range(40)]
    parent = write([*crowd, *(make_unlabelled(text, split="train") for text in texts)])
    items = [accept_label(written.format(text), "healthy", f"f{text}") for text in texts]
    result = extend(items, parent.id)
    assert len(result.feedback) == len(texts)
    assert result.snapshot.rows == parent.rows
    assert result.snapshot.splits["fresh"] > 0
    table = rows(store, result.snapshot.id)
    for text in texts:
        row = table[text]
        assert row.labels == {"disease": "healthy"}
        assert row.split == joining_split(payload_id(text.encode()))
        assert (row.source, row.origin) == ("feedback", f"feedback/f{text}")
    assert describe_snapshot(store.open(result.snapshot.id))["unlabelled"] == 0
    again = extend(items, result.snapshot.id)
    assert (again.feedback, again.snapshot) == ((), result.snapshot)


def test_the_first_labels_of_one_are_those_of_every_target(
    extend: Extend,
    store: SnapshotStore,
    write: Write,
    crowd: list[Example],
    make_unlabelled: MakeUnlabelled,
) -> None:
    older = [replace(row, labels={**row.labels, "age": "old"}) for row in crowd]
    parent = write([*older, make_unlabelled("leaf", split="train")])
    result = extend([accept_label("leaf", "rust", "f1")], parent.id)
    assert result.feedback == ()
    assert result.omissions == {"f1": "It has no label of age."}
    result = extend([accept_label("leaf", "rust", "f1", age="old")], parent.id)
    assert rows(store, result.snapshot.id)["leaf"].labels == {"age": "old", "disease": "rust"}


def test_what_nobody_labels_stays_without(
    extend: Extend,
    store: SnapshotStore,
    write: Write,
    crowd: list[Example],
    make_unlabelled: MakeUnlabelled,
) -> None:
    parent = write([*crowd, make_unlabelled("leaf", split="train")])
    result = extend([accept_label("stem", "rust", "f1")], parent.id)
    row = rows(store, result.snapshot.id)["leaf"]
    assert (row.labels, row.split) == ({}, "train")
