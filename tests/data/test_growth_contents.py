"""Feedback on a content whose bytes are new and which is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.data.growing import Grow, Make, Named, rows, said
from tidemill.data.retraining_set import Accepted
from tidemill.data.snapshots import SnapshotStore
from tidemill.domain.types import Example, Split, payload_id


@pytest.mark.parametrize("again", ["rust train 3\n", " rust train 3"])
def test_other_bytes_of_a_row_in_train_relabel_it(
    grown: Grow, store: SnapshotStore, write: Any, again: str
) -> None:
    growth = grown([said(again, "healthy", "f1")])
    assert (growth.taken, growth.snapshot.rows) == (("f1",), write().rows)
    found = rows(store, growth.snapshot.id)
    assert again not in found
    row = found["rust train 3"]
    assert (row.split, row.origin, row.labels["disease"]) == ("train", "feedback/f1", "healthy")


@pytest.mark.parametrize("split", ["val", "test"])
def test_other_bytes_of_what_is_held_back_are_left_out(grown: Grow, write: Any, split: str) -> None:
    growth = grown([said(f"rust {split} 1\n", "healthy", "f1")])
    assert (growth.snapshot, growth.taken) == (write(), ())
    assert growth.left == {"f1": f"The example is held back in {split}, with the label it had."}


@pytest.mark.parametrize("split", ["train", "val", "fresh"])
def test_other_bytes_of_earlier_feedback_relabel_it(
    named: Named, grown: Grow, store: SnapshotStore, split: Split
) -> None:
    first = grown([said(named(split), "rust", "f1")]).snapshot
    second = grown([said(f"{named(split)}\n", "healthy", "f2")], first.id)
    assert (second.taken, second.snapshot.rows) == (("f2",), first.rows)
    row = rows(store, second.snapshot.id)[named(split)]
    assert (row.labels, row.split) == ({"disease": "healthy"}, split)


@pytest.mark.parametrize("late", ["leaf", "leaf\n"])
def test_of_one_content_that_joins_twice_the_later_label_wins(
    grown: Grow, store: SnapshotStore, write: Any, late: str
) -> None:
    early = "leaf\n" if late == "leaf" else "leaf"
    items = [said(late, "healthy", "f2"), said(early, "rust", "f1")]
    growth = grown(items)
    assert (growth.taken, growth.snapshot.rows) == (("f1", "f2"), write().rows + 1)
    found = rows(store, growth.snapshot.id)
    assert late not in found
    row = found[early]
    assert (row.origin, row.labels["disease"]) == ("feedback/f1", "healthy")
    again = grown(items, growth.snapshot.id)
    assert (again.snapshot, again.taken) == (growth.snapshot, ())


def test_of_a_row_and_its_other_bytes_the_later_label_wins(
    grown: Grow, store: SnapshotStore, write: Any
) -> None:
    """Whichever of them says what the row says already."""
    own, other = "rust train 3", "rust train 3\n"
    kept = grown([said(own, "rust", "f2"), said(other, "healthy", "f1")])
    assert (kept.snapshot, kept.taken) == (write(), ())
    assert set(kept.left.values()) == {"The snapshot has this label already."}
    changed = grown([said(own, "rust", "f1"), said(other, "healthy", "f2")])
    assert changed.taken == ("f1", "f2")
    assert rows(store, changed.snapshot.id)[own].labels == {"disease": "healthy"}


def test_what_the_parent_keeps_twice_stays_two(
    write: Any, grown: Grow, store: SnapshotStore, crowd: list[Example], example: Make
) -> None:
    """Feedback on the bytes of one is about that one, feedback on others of the content on both."""
    twice = [example(text, origin=repr(text), split="train") for text in ("torn", "torn\n")]
    parent = write([*crowd, *twice], policy="keep")
    one = grown([said("torn", "healthy", "f1"), said("leaf", id="f2")], parent.id).snapshot
    found = rows(store, one.id)
    assert [found[text].labels["disease"] for text in ("torn", "torn\n")] == ["healthy", "rust"]
    both = grown([said(" torn", "healthy", "f1")], parent.id).snapshot
    found = rows(store, both.id)
    assert [found[text].labels["disease"] for text in ("torn", "torn\n")] == ["healthy"] * 2
    assert both.rows == parent.rows


def test_other_bytes_need_no_label_of_every_target(
    write: Any, grown: Grow, store: SnapshotStore, example: Make
) -> None:
    labels = {"age": "old", "disease": "rust"}
    made = [replace(example(f"leaf {n}", split="train"), labels=labels) for n in range(2)]
    made[1] = replace(made[1], labels={"age": "new", "disease": "healthy"})
    growth = grown([said("leaf 0\n", "healthy", "f1")], write(made).id)
    assert rows(store, growth.snapshot.id)["leaf 0"].labels == {"age": "old", "disease": "healthy"}
    parts = [
        said("x", "rust", "f1"),
        Accepted(("f2",), payload_id(b"x "), {"age": "new"}, lambda: b"x "),
    ]
    growth = grown(parts, write(made).id)
    assert growth.taken == ("f1", "f2")
    assert rows(store, growth.snapshot.id)["x"].labels == {"age": "new", "disease": "rust"}
