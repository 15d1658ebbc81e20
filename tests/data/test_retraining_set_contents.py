"""Feedback on a content whose bytes are new and which is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.data.retraining import Extend, Make, Named, accept_label, rows
from tidemill.data.retraining_set import AcceptedLabels
from tidemill.data.snapshots import SnapshotStore
from tidemill.domain.types import Example, Split, payload_id


@pytest.mark.parametrize("again", ["rust train 3\n", " rust train 3"])
def test_other_bytes_of_a_row_in_train_relabel_it(
    extend: Extend, store: SnapshotStore, write: Any, again: str
) -> None:
    result = extend([accept_label(again, "healthy", "f1")])
    assert (result.feedback, result.snapshot.rows) == (("f1",), write().rows)
    table = rows(store, result.snapshot.id)
    assert again not in table
    row = table["rust train 3"]
    assert (row.split, row.origin, row.labels["disease"]) == ("train", "feedback/f1", "healthy")


@pytest.mark.parametrize("split", ["val", "test"])
def test_other_bytes_of_what_is_held_back_are_left_out(
    extend: Extend, write: Any, split: str
) -> None:
    result = extend([accept_label(f"rust {split} 1\n", "healthy", "f1")])
    assert (result.snapshot, result.feedback) == (write(), ())
    assert result.omissions == {"f1": f"The example is held out in {split} and keeps its label."}


@pytest.mark.parametrize("split", ["train", "val", "fresh"])
def test_other_bytes_of_earlier_feedback_relabel_it(
    named: Named, extend: Extend, store: SnapshotStore, split: Split
) -> None:
    first = extend([accept_label(named(split), "rust", "f1")]).snapshot
    second = extend([accept_label(f"{named(split)}\n", "healthy", "f2")], first.id)
    assert (second.feedback, second.snapshot.rows) == (("f2",), first.rows)
    row = rows(store, second.snapshot.id)[named(split)]
    assert (row.labels, row.split) == ({"disease": "healthy"}, split)


@pytest.mark.parametrize("late", ["leaf", "leaf\n"])
def test_of_one_content_that_joins_twice_the_later_label_wins(
    extend: Extend, store: SnapshotStore, write: Any, late: str
) -> None:
    early = "leaf\n" if late == "leaf" else "leaf"
    items = [accept_label(late, "healthy", "f2"), accept_label(early, "rust", "f1")]
    result = extend(items)
    assert (result.feedback, result.snapshot.rows) == (("f1", "f2"), write().rows + 1)
    table = rows(store, result.snapshot.id)
    assert late not in table
    row = table[early]
    assert (row.origin, row.labels["disease"]) == ("feedback/f1", "healthy")
    again = extend(items, result.snapshot.id)
    assert (again.snapshot, again.feedback) == (result.snapshot, ())


def test_of_a_row_and_its_other_bytes_the_later_label_wins(
    extend: Extend, store: SnapshotStore, write: Any
) -> None:
    """Whichever of them says what the row says already."""
    own, other = "rust train 3", "rust train 3\n"
    same_set = extend([accept_label(own, "rust", "f2"), accept_label(other, "healthy", "f1")])
    assert (same_set.snapshot, same_set.feedback) == (write(), ())
    assert set(same_set.omissions.values()) == {"The snapshot has this label already."}
    changed = extend([accept_label(own, "rust", "f1"), accept_label(other, "healthy", "f2")])
    assert changed.feedback == ("f1", "f2")
    assert rows(store, changed.snapshot.id)[own].labels == {"disease": "healthy"}


def test_what_the_parent_keeps_twice_stays_two(
    write: Any, extend: Extend, store: SnapshotStore, crowd: list[Example], example: Make
) -> None:
    """Feedback on the bytes of one is about that one, feedback on others of the content on both."""
    twice = [example(text, origin=repr(text), split="train") for text in ("torn", "torn\n")]
    parent = write([*crowd, *twice], policy="keep")
    one = extend(
        [accept_label("torn", "healthy", "f1"), accept_label("leaf", id="f2")], parent.id
    ).snapshot
    table = rows(store, one.id)
    assert [table[text].labels["disease"] for text in ("torn", "torn\n")] == ["healthy", "rust"]
    both = extend([accept_label(" torn", "healthy", "f1")], parent.id).snapshot
    table = rows(store, both.id)
    assert [table[text].labels["disease"] for text in ("torn", "torn\n")] == ["healthy"] * 2
    assert both.rows == parent.rows


def test_other_bytes_need_no_label_of_every_target(
    write: Any, extend: Extend, store: SnapshotStore, example: Make
) -> None:
    labels = {"age": "old", "disease": "rust"}
    examples = [replace(example(f"leaf {n}", split="train"), labels=labels) for n in range(2)]
    examples[1] = replace(examples[1], labels={"age": "new", "disease": "healthy"})
    result = extend([accept_label("leaf 0\n", "healthy", "f1")], write(examples).id)
    assert rows(store, result.snapshot.id)["leaf 0"].labels == {"age": "old", "disease": "healthy"}
    parts = [
        accept_label("x", "rust", "f1"),
        AcceptedLabels(("f2",), payload_id(b"x "), {"age": "new"}, lambda: b"x "),
    ]
    result = extend(parts, write(examples).id)
    assert result.feedback == ("f1", "f2")
    assert rows(store, result.snapshot.id)["x"].labels == {"age": "new", "disease": "rust"}
