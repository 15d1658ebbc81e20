"""A snapshot and the feedback that joins it."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.retraining import AT, DISTANCE, Extend, Make, Named, accept_label, rows
from tidemill.data.canonical import canonical_row
from tidemill.data.retraining_set import AcceptedLabels, extend_snapshot
from tidemill.data.snapshots import SnapshotStore
from tidemill.data.splits import joining_split
from tidemill.domain.errors import Corrupt, NotFound
from tidemill.domain.types import Example, Split, payload_id


def test_the_hash_is_fixed_for_ever() -> None:
    # The first byte of `printf 2 | sha256sum` is d4: 0xd4 / 256 = 0.83, at or above 0.65; that of
    # 19 is 94, between 0.55 and 0.65.
    splits_of = {number: joining_split(str(number)) for number in (0, 2, 3, 5, 19, 35)}
    assert splits_of == {0: "train", 2: "fresh", 3: "train", 5: "fresh", 19: "val", 35: "val"}


def test_the_hash_gives_fifty_five_ten_thirty_five() -> None:
    hashed_splits = [joining_split(f"leaf {number}") for number in range(4000)]
    shares: dict[Split, float] = {"train": 0.55, "val": 0.10, "fresh": 0.35}
    for split, share in shares.items():
        assert hashed_splits.count(split) / 4000 == pytest.approx(share, abs=0.025)


@pytest.mark.parametrize("split", ["train", "val", "fresh"])
def test_a_new_example_goes_where_its_hash_says(
    named: Named, extend: Extend, store: SnapshotStore, write: Any, split: Split
) -> None:
    result = extend([accept_label(named(split), "healthy", "f1")])
    assert (result.feedback, result.omissions) == (("f1",), {})
    assert (result.snapshot.parent, result.snapshot.at) == (write().id, AT)
    row = rows(store, result.snapshot.id)[named(split)]
    assert (row.split, row.source, row.origin) == (split, "feedback", "feedback/f1")
    assert row.labels == {"disease": "healthy"}


def test_what_resembles_a_held_back_row_is_held_back_with_it(
    write: Any, extend: Extend, store: SnapshotStore, crowd: list[Example], example: Make
) -> None:
    held_out: list[tuple[Split, int]] = [("val", 0), ("fresh", 0xFFFF), ("test", 0xFFFF0000)]
    parent = write(
        [*crowd, *(example(f"{split} row|{near:x}", split=split) for split, near in held_out)]
    )
    for split, near in held_out:
        items = [accept_label(f"{split} {n}|{near ^ 1 << n:x}") for n in range(4)]
        result = extend(items, parent.id)
        if split == "test":
            assert (result.snapshot, result.feedback) == (parent, ())
            assert all("test, which is never extended" in why for why in result.omissions.values())
            assert len(result.omissions) == 4
        else:
            table = rows(store, result.snapshot.id)
            assert {table[f"{split} {n}|{near ^ 1 << n:x}"].split for n in range(4)} == {split}


@pytest.fixture
def near_duplicates(codec: Any) -> dict[Split, str]:
    """Payloads that resemble each other, by the split in which their hash puts them."""
    texts = [f"leaf {n}|abcd" for n in range(200)]
    return {joining_split(codec.fingerprint(t.encode()).exact): t for t in texts}


def test_what_resembles_feedback_in_train_joins_it(
    near_duplicates: dict[Split, str], extend: Extend, store: SnapshotStore
) -> None:
    parent = extend([accept_label(near_duplicates["train"], id="f1")]).snapshot
    assert rows(store, parent.id)[near_duplicates["train"]].split == "train"
    table = rows(
        store, extend([accept_label(near_duplicates["fresh"], id="f2")], parent.id).snapshot.id
    )
    assert table[near_duplicates["fresh"]].split == "train"


@pytest.mark.parametrize("split", ["val", "fresh"])
def test_what_resembles_a_first_row_of_train_joins_it(
    near_duplicates: dict[Split, str],
    write: Any,
    extend: Extend,
    store: SnapshotStore,
    crowd: list[Example],
    example: Make,
    split: Split,
) -> None:
    parent = write([*crowd, example("first|abcd", split="train")])
    table = rows(
        store, extend([accept_label(near_duplicates[split], id="f1")], parent.id).snapshot.id
    )
    assert table[near_duplicates[split]].split == "train"


@pytest.mark.parametrize("split", ["val", "fresh"])
def test_what_resembles_both_sides_is_left_out(
    write: Any, extend: Extend, crowd: list[Example], example: Make, split: Split
) -> None:
    sides = [example("learnt|0", split="train"), example("judging|ff", split=split)]
    parent = write([*crowd, *sides])
    result = extend([accept_label("between|f", id="f1")], parent.id)
    assert (result.snapshot, result.feedback) == (parent, ())
    assert result.omissions == {
        "f1": "It is a near-duplicate of examples in train and of others that are held out."
    }


def test_an_example_in_train_gets_its_new_label(
    extend: Extend, store: SnapshotStore, write: Any
) -> None:
    result = extend([accept_label("rust train 3", "healthy", "f1")])
    assert result.snapshot.rows == write().rows
    row = rows(store, result.snapshot.id)["rust train 3"]
    assert (row.split, row.source, row.origin) == ("train", "feedback", "feedback/f1")
    assert row.labels == {"disease": "healthy"}


@pytest.mark.parametrize("split", ["val", "test"])
def test_what_was_held_back_keeps_its_label(extend: Extend, write: Any, split: str) -> None:
    result = extend([accept_label(f"rust {split} 1", "healthy", "f1")])
    assert (result.snapshot, result.feedback) == (write(), ())
    assert result.omissions == {"f1": f"The example is held out in {split} and keeps its label."}


@pytest.mark.parametrize("split", ["train", "val", "fresh"])
def test_the_latest_label_of_earlier_feedback_wins(
    named: Named, extend: Extend, store: SnapshotStore, split: Split
) -> None:
    first = extend([accept_label(named(split), "rust", "f1")]).snapshot
    second = extend([accept_label(named(split), "healthy", "f2")], first.id)
    assert second.feedback == ("f2",)
    row = rows(store, second.snapshot.id)[named(split)]
    assert (row.labels, row.split, row.origin) == ({"disease": "healthy"}, split, "feedback/f2")
    assert second.snapshot.rows == first.rows


def test_a_label_that_the_snapshot_has_changes_nothing(extend: Extend, write: Any) -> None:
    result = extend([accept_label("rust train 3", "rust", "f1")])
    assert (result.snapshot, result.feedback) == (write(), ())
    assert result.omissions == {"f1": "The snapshot has this label already."}


def unreadable(error: Exception) -> AcceptedLabels:
    def payload() -> bytes:
        raise error

    return AcceptedLabels(("f1",), payload_id(b"x"), {"disease": "rust"}, payload)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (accept_label(b"\xff", id="f1"), "not UTF-8"),
        (unreadable(NotFound("It is gone.")), "It is gone."),
        (unreadable(Corrupt("It was changed.")), "It was changed."),
        (accept_label("new", "mildew", "f1"), "no class 'mildew' of 'disease'"),
        (accept_label("new", "rust", "f1", age="old"), "no class 'old' of 'age'"),
    ],
)
def test_what_cannot_be_taken_is_left_out_with_a_reason(
    named: Named, extend: Extend, item: AcceptedLabels, reason: str
) -> None:
    result = extend([item, accept_label(named("train"), id="f2")])
    assert result.feedback == ("f2",)
    assert reason in result.omissions["f1"]
    assert len(result.omissions) == 1


def test_a_new_example_needs_a_label_of_every_target(
    write: Any, extend: Extend, store: SnapshotStore, example: Make
) -> None:
    two = [
        replace(example(f"{split} {n}", split=split), labels={"age": "old", "disease": "rust"})
        for split in ("train", "val", "test")
        for n in range(2)
    ]
    two[0] = replace(two[0], labels={"age": "new", "disease": "healthy"})
    parent = write(two)
    half = AcceptedLabels(("f1",), payload_id(b"new"), {"disease": "rust"}, lambda: b"new")
    known = AcceptedLabels(("f2",), two[0].id, {"age": "old"}, lambda: two[0].payload)
    whole = AcceptedLabels(
        ("f3", "f4"), payload_id(b"x"), {"disease": "rust", "age": "new"}, lambda: b"x"
    )
    result = extend([half, known, whole], parent.id)
    assert result.omissions == {"f1": "It has no label of age."}
    assert result.feedback == ("f2", "f3", "f4")
    table = rows(store, result.snapshot.id)
    assert table["train 0"].labels == {"age": "old", "disease": "healthy"}
    assert table["x"].origin == "feedback/f3"


def test_an_example_under_several_labels_gets_the_one_that_was_accepted(
    write: Any, extend: Extend, store: SnapshotStore, crowd: list[Example], example: Make
) -> None:
    sides = [example("torn", label, origin=label, split="train") for label in ("rust", "healthy")]
    parent = write([*crowd, *sides])
    result = extend([accept_label("torn", "healthy", "f1")], parent.id)
    assert result.snapshot.rows == parent.rows - 1
    assert store.open(result.snapshot.id).labels_of({sides[0].id}) == {
        sides[0].id: [{"disease": "healthy"}]
    }


def test_progress_ends_where_it_said_it_would(extend: Extend, write: Any) -> None:
    heard: list[tuple[int, int]] = []
    options = {"progress": lambda done, of: heard.append((done, of))}
    items = [accept_label(f"leaf {n}") for n in range(3)] + [accept_label(b"\xff")]
    first = extend(items, **options).snapshot
    assert heard[-1][0] == heard[-1][1] == 2 * (32 + 4)
    assert heard == sorted(heard)
    heard.clear()
    extend([accept_label("rust train 1", "healthy")], first.id, **options)
    assert heard == [(done, first.rows) for done in range(1, first.rows + 1)]


def test_no_payload_outlives_its_turn(extend: Extend) -> None:
    """Each payload is got twice at most, and never before the one before it was let go."""
    reads: dict[str, int] = {}

    def item(n: int) -> AcceptedLabels:
        data = f"leaf {n}".encode()

        def payload() -> bytes:
            reads[f"f{n}"] = reads.get(f"f{n}", 0) + 1
            return data

        return AcceptedLabels((f"f{n}",), payload_id(data), {"disease": "rust"}, payload)

    extend([item(n) for n in range(5)])
    assert set(reads.values()) == {2}


Row = tuple[int, int, str, str]
"""Which of a few images, in which of its near-duplicates and bytes, under which label."""
ROWS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.integers(0, 7),
        st.sampled_from(["", "\n"]),
        st.sampled_from(["rust", "healthy"]),
    ),
    max_size=12,
    unique_by=lambda row: row[:3],
)
NEAR = [0x0, 0xFFF, 0xFFF000, 0xFFF000000, 0xFFF000000000, 0xFFF000000000000]
SPLITS: tuple[Split, ...] = ("train", "val", "test", "fresh")
Held = Mapping[tuple[int, int], Split]
"""Of some images the parent has one or two near-duplicates, maybe in different splits."""


def text(image: int, variant: int) -> str:
    return f"{image}.{variant}|{NEAR[image] ^ (1 << variant):x}"


def items(given_rows: Sequence[Row]) -> list[AcceptedLabels]:
    return [
        accept_label(text(p, v) + end, label, f"f{p}.{v}{bool(end):d}")
        for p, v, end, label in given_rows
    ]


def parent_of(held_out: Held, store: SnapshotStore, example: Make) -> str:
    base: list[tuple[str, str, Split]] = [
        (f"{label} {split}", label, split)
        for label in ("rust", "healthy")
        for split in ("train", "val", "test")
    ]
    base += [(text(image, 8 + side), "rust", split) for (image, side), split in held_out.items()]
    examples = [example(name, label, split=split) for name, label, split in base]
    return store.write(examples, recipe="leaves", policy="stop", parent=None, at=AT).id


@settings(max_examples=40, deadline=None)
@given(
    given_rows=ROWS,
    held_out=st.dictionaries(
        st.tuples(st.integers(0, 5), st.integers(0, 1)), st.sampled_from(SPLITS), max_size=8
    ),
    seed=st.integers(0, 100),
)
def test_a_retraining_set_keeps_its_promises(
    codec: Any, example: Make, given_rows: list[Row], held_out: Held, seed: int
) -> None:
    def near(row: Example) -> int:
        return int(codec.fingerprint(row.payload).near)

    with tempfile.TemporaryDirectory() as folder:
        store = SnapshotStore(Path(folder))
        parent = store.open(parent_of(held_out, store, example))
        choices: Any = {"recipe": "leaves", "near_distance": DISTANCE, "at": AT}
        offered = items(given_rows)
        result = extend_snapshot(parent, offered, codec, store, **choices)

        # What is taken and what is left make up what was offered.
        ids = {id for item in offered for id in item.feedback}
        assert set(result.feedback) | set(result.omissions) == ids
        assert set(result.feedback).isdisjoint(result.omissions)

        # The parent's rows are all there, as they were.
        after = list(store.open(result.snapshot.id).rows())
        before = {canonical_row(row) for row in parent.rows()}
        assert before <= {canonical_row(row) for row in after}

        # Test did not grow, and no new row is a near-duplicate of one outside its split.
        new = [row for row in after if canonical_row(row) not in before]
        assert {row.split for row in new} <= {"train", "val", "fresh"}
        sides = [(near(row), row.split == "train") for row in after]
        for row in new:
            own, learnt = near(row), row.split == "train"
            across = [n for n, other in sides if other != learnt]
            assert all((own ^ n).bit_count() > DISTANCE for n in across)

        # No content has two rows.
        contents = [codec.fingerprint(row.payload).exact for row in after]
        assert len(contents) == len(set(contents))

        # Neither the order nor a repetition matters.
        shuffled = list(offered)
        random.Random(seed).shuffle(shuffled)
        assert extend_snapshot(parent, shuffled, codec, store, **choices) == result
        child = store.open(result.snapshot.id)
        again = extend_snapshot(child, shuffled, codec, store, **choices)
        assert (again.snapshot, again.feedback) == (result.snapshot, ())
