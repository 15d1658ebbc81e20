"""What becomes of feedback where an example has several targets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.data.retraining import Extend, Make, Named, accept_label, rows
from tidemill.data.retraining_set import AcceptedLabels, RetrainingSet
from tidemill.data.snapshots import SnapshotStore
from tidemill.domain.types import Example, Snapshot
from tidemill.recipes.plants.naming import merge_plant_labels, plant_labels

RUST = plant_labels("Vine___rust")


@pytest.fixture
def parent(write: Any, example: Make) -> Snapshot:
    """Six leaves of each of three classes."""
    leaves: list[Example] = []
    for name in ("Bean___rust", "Vine___healthy", "Vine___rust"):
        for split in ("train", "train", "train", "train", "val", "test"):
            leaf = example(f"{name} {len(leaves)}", split=split)
            leaves.append(replace(leaf, labels=plant_labels(name)))
    snapshot: Snapshot = write(leaves)
    return snapshot


def test_a_leaf_of_which_every_target_is_named_becomes_an_example(
    parent: Snapshot, extend: Extend, store: SnapshotStore, named: Named
) -> None:
    result = extend([accept_label(named("train"), **RUST)], parent.id)
    assert len(result.feedback) == 1
    row = rows(store, result.snapshot.id)[named("train")]
    assert (row.labels, row.split) == (RUST, "train")


@pytest.fixture
def extend_by_label(parent: Snapshot, extend: Extend) -> Extend:
    """Grows the leaves as the recipe does, by feedback on one payload."""

    def result(payload: str, **labels: str) -> RetrainingSet:
        return extend([about(payload, **labels)], parent.id, merge=merge_plant_labels)

    return result


def about(payload: str, id: str = "f1", **labels: str) -> AcceptedLabels:
    """What was said of one leaf, `kind` being its class."""
    named = {"class" if target == "kind" else target: label for target, label in labels.items()}
    return replace(accept_label(payload, id=id), labels=named)


def test_each_target_is_for_itself_where_a_recipe_says_nothing(
    parent: Snapshot, extend: Extend, named: Named
) -> None:
    item = replace(accept_label(named("train")), labels={"class": "Vine___rust"})
    assert set(extend([item], parent.id).omissions.values()) == {
        "It has no label of disease, plant."
    }


@pytest.mark.parametrize(
    "labels",
    [{"kind": "Vine___rust"}, {"disease": "rust", "plant": "Vine"}],
)
def test_what_decides_the_class_of_a_new_leaf_is_enough(
    extend_by_label: Extend, store: SnapshotStore, named: Named, labels: dict[str, str]
) -> None:
    result = extend_by_label(named("train"), **labels)
    row = rows(store, result.snapshot.id)[named("train")]
    assert (result.feedback, row.labels, row.split) == (("f1",), RUST, "train")


@pytest.mark.parametrize(
    ("target", "others"), [("disease", "class, plant"), ("plant", "class, disease")]
)
def test_a_new_leaf_of_which_something_is_open_teaches_nothing_yet(
    parent: Snapshot, extend_by_label: Extend, named: Named, target: str, others: str
) -> None:
    """Nobody said the rest, and the model's own answers are no truth."""
    result = extend_by_label(named("train"), **{target: RUST[target]})
    assert (result.snapshot, result.feedback) == (parent, ())
    assert f"It has no label of {others}" in result.omissions["f1"]


@pytest.mark.parametrize(
    "labels",
    [
        {"disease": "rust"},
        {"kind": "Vine___rust"},
        {"disease": "rust", "plant": "Vine"},
        {"disease": "rust", "kind": "Vine___rust"},
    ],
)
def test_a_leaf_that_is_known_keeps_what_is_not_said_and_never_contradicts_itself(
    extend_by_label: Extend, store: SnapshotStore, labels: dict[str, str]
) -> None:
    result = extend_by_label("Vine___healthy 6", **labels)
    assert rows(store, result.snapshot.id)["Vine___healthy 6"].labels == RUST


@pytest.mark.parametrize("payload", ["Vine___healthy 6", "a new leaf"])
@pytest.mark.parametrize(("target", "label"), [("disease", "healthy"), ("plant", "Bean")])
def test_a_class_that_contradicts_what_else_is_said_is_left_out(
    parent: Snapshot, extend_by_label: Extend, payload: str, target: str, label: str
) -> None:
    result = extend_by_label(payload, kind="Vine___rust", **{target: label})
    assert (result.snapshot, result.feedback) == (parent, ())
    assert result.omissions == {
        "f1": f"The class 'Vine___rust' contradicts the {target} '{label}'."
    }


@pytest.mark.parametrize(
    ("payload", "labels"),
    [
        ("Bean___rust 0", {"disease": "healthy"}),
        ("Vine___healthy 6", {"plant": "Bean"}),
        ("a new leaf", {"disease": "healthy", "plant": "Bean"}),
    ],
)
def test_a_class_that_the_snapshot_does_not_know_is_left_out(
    parent: Snapshot, extend_by_label: Extend, payload: str, labels: dict[str, str]
) -> None:
    result = extend_by_label(payload, **labels)
    assert (result.snapshot, result.feedback) == (parent, ())
    assert result.omissions == {"f1": "The snapshot has no class 'Bean___healthy' of 'class'."}


def test_what_is_held_back_is_said_to_be(extend_by_label: Extend) -> None:
    why = "The example is held out in val and keeps its label."
    assert extend_by_label("Bean___rust 4", disease="healthy").omissions == {"f1": why}


def test_what_follows_from_a_label_may_be_there_already(extend_by_label: Extend) -> None:
    left = extend_by_label("Vine___rust 12", kind="Vine___rust").omissions
    assert left == {"f1": "The snapshot has this label already."}


def test_what_is_said_later_counts_for_the_class_too(
    parent: Snapshot, extend: Extend, store: SnapshotStore, named: Named
) -> None:
    """Of other bytes of one leaf, and of a leaf that came by feedback."""
    both = [
        about(named("train"), "f1", kind="Vine___rust"),
        about(named("train") + "\n", "f2", kind="Bean___rust"),
    ]
    first = extend(both, parent.id, merge=merge_plant_labels).snapshot
    assert rows(store, first.id)[named("train")].labels == plant_labels("Bean___rust")
    later = [about(named("train"), "f3", plant="Vine")]
    second = extend(later, first.id, merge=merge_plant_labels).snapshot
    assert rows(store, second.id)[named("train")].labels == RUST
