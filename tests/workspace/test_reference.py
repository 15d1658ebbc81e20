"""A bundle's reference: what its very graph saw in val and fresh, and nothing else; once enough of
that came from feedback, only those."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from tests import herds
from tidemill.data.open_snapshot import OpenSnapshot
from tidemill.data.retraining_set import SOURCE
from tidemill.data.snapshots import SnapshotStore
from tidemill.domain.errors import Corrupt, DataError
from tidemill.domain.types import Example, Split, payload_id
from tidemill.predictor import Predictor
from tidemill.profile import Reference
from tidemill.workspace.reference import BATCH, ENOUGH, reference_of

TinyFiles = Callable[..., dict[str, bytes]]
Tiny = Callable[..., Predictor]
Paint = Callable[[Sequence[int]], bytes]
LABELS = ("healthy", "miner", "phoma")


@pytest.fixture
def keep(tmp_path: Path) -> Callable[..., OpenSnapshot]:
    """Writes a snapshot of these payloads; which label they have matters to no reference.

    The last `said` of them came from feedback.
    """

    def write(rows: Sequence[tuple[Split, bytes]], count: int = 0) -> OpenSnapshot:
        store = SnapshotStore(tmp_path / "snapshots")
        examples = [
            Example(
                payload_id(payload),
                payload,
                {"disease": LABELS[at % 3]},
                "test" if at < len(rows) - count else SOURCE,
                f"{at}.png",
                split,
            )
            for at, (split, payload) in enumerate(rows)
        ]
        at = datetime(2026, 1, 1, tzinfo=UTC)
        taken = store.write(examples, recipe="coffee", policy="stop", parent=None, at=at)
        return store.open(taken.id)

    return write


Keep = Callable[..., OpenSnapshot]


def leaves(paint: Paint, split: Split, n: int, seed: int) -> list[tuple[Split, bytes]]:
    dice = np.random.default_rng(seed)
    return [(split, paint(dice.integers(0, 256, 3).tolist())) for _ in range(n)]


def test_val_and_fresh_are_counted_in_batches_by_the_very_graph(
    keep: Keep, tiny: Tiny, tiny_files: TinyFiles, paint: Paint
) -> None:
    val, fresh = leaves(paint, "val", BATCH + 7, 1), leaves(paint, "fresh", 9, 2)
    others = leaves(paint, "train", 5, 3) + leaves(paint, "test", 5, 4)
    predictor = tiny()
    content = reference_of(tiny_files(), predictor.classes, keep(val + fresh + others))
    reference = Reference.from_bytes(content)
    assert reference.n == BATCH + 16
    preprocessed = [predictor.preprocess(payload) for _, payload in val + fresh]
    bins = reference.bin_rows(*predictor.profile_rows(preprocessed))
    np.testing.assert_array_equal(reference.count(bins), reference.counts)
    assert reference.names[-3:] == ("embedding.0", "embedding.1", "embedding.2")


@pytest.mark.parametrize("missing", [0, 1])
def test_enough_held_out_feedback_is_the_reference_by_itself(
    keep: Keep, tiny: Tiny, tiny_files: TinyFiles, paint: Paint, missing: int
) -> None:
    first = leaves(paint, "val", 20, 1) + leaves(paint, "fresh", 5, 2)
    held_out = leaves(paint, "val", 30, 3) + leaves(paint, "fresh", ENOUGH - 30 - missing, 4)
    learnt = leaves(paint, "train", 40, 5)
    predictor = tiny()
    opened = keep(first + learnt + held_out, count=len(learnt) + len(held_out))
    content = reference_of(tiny_files(), predictor.classes, opened)
    reference = Reference.from_bytes(content)
    counted = [*first, *held_out] if missing else held_out
    assert reference.n == len(counted)
    preprocessed = [predictor.preprocess(payload) for _, payload in counted]
    bins = reference.bin_rows(*predictor.profile_rows(preprocessed))
    np.testing.assert_array_equal(reference.count(bins), reference.counts)


def test_the_same_snapshot_and_graph_give_the_same_bytes(
    keep: Keep, tiny: Tiny, tiny_files: TinyFiles, paint: Paint
) -> None:
    predictor, opened = tiny(), keep(leaves(paint, "val", 30, 1))
    one, other = (reference_of(tiny_files(), predictor.classes, opened) for _ in range(2))
    assert one == other


def test_a_snapshot_without_held_out_examples_has_no_reference(
    keep: Keep, tiny: Tiny, tiny_files: TinyFiles, paint: Paint
) -> None:
    predictor, opened = tiny(), keep(leaves(paint, "test", 3, 1))
    with pytest.raises(DataError, match="has no val or fresh examples"):
        reference_of(tiny_files(), predictor.classes, opened)


def test_an_example_that_cannot_be_read_is_named(
    keep: Keep, tiny: Tiny, tiny_files: TinyFiles, paint: Paint
) -> None:
    predictor, opened = tiny(), keep([*leaves(paint, "val", 3, 1), ("fresh", b"no image")])
    with pytest.raises(DataError, match=r"3\.png: The payload is not an image"):
        reference_of(tiny_files(), predictor.classes, opened)


def test_a_graph_of_other_labels_has_no_reference(
    keep: Keep, tiny_files: TinyFiles, paint: Paint
) -> None:
    opened = keep(leaves(paint, "val", 3, 1))
    with pytest.raises(Corrupt, match="it must be"):
        reference_of(tiny_files(), {"disease": ("a", "b")}, opened)


def test_it_is_made_with_the_codec_of_the_bundle_and_what_its_graph_measures(keep: Keep) -> None:
    contents, _ = herds.files(year=7)
    labels = {herds.TARGET: herds.LABELS}
    weights = (20, 99, 101, 300)
    content = reference_of(
        contents, labels, keep([("val", herds.herd(weight)) for weight in weights])
    )
    reference = Reference.from_bytes(content)
    assert (reference.n, reference.names[:3]) == (4, ("weight", "height", "bulk"))


def test_an_example_of_several_items_counts_as_many(keep: Keep) -> None:
    contents, _ = herds.files()
    opened = keep([("val", herds.herd(20, 99, 101)), ("fresh", herds.herd(300))])
    content = reference_of(contents, {herds.TARGET: herds.LABELS}, opened)
    assert Reference.from_bytes(content).n == 4


@pytest.mark.parametrize("missing", ["codec.json", "model.onnx"])
def test_files_that_no_reference_can_be_made_of_are_named(
    keep: Keep, tiny: Tiny, tiny_files: TinyFiles, paint: Paint, missing: str
) -> None:
    files = {name: content for name, content in tiny_files().items() if name != missing}
    with pytest.raises(DataError, match=f"The bundle lacks {missing}"):
        reference_of(files, tiny().classes, keep(leaves(paint, "val", 3, 1)))
