from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from tidemill.learn.arrays import EncodedSplit
from tidemill.learn.batches import POOL, Batches
from tidemill.learn.rows import ArrayRows, RowsWriter

Ids = npt.NDArray[np.int64]


def _texts(lengths: list[int]) -> list[Ids]:
    return [np.arange(1, length + 1) + 100 * at for at, length in enumerate(lengths)]


def _written(path: Path, rows: list[Ids]) -> ArrayRows:
    with RowsWriter(path, rows[0]) as writer:
        for row in rows:
            writer.append(row)
    return writer.rows()


def test_ragged_rows_come_back_padded_with_zeros(tmp_path: Path) -> None:
    rows = _written(tmp_path / "ids.npy", _texts([3, 1, 0, 2]))
    assert (len(rows), rows.ragged, rows.lengths.tolist()) == (4, True, [3, 1, 0, 2])
    np.testing.assert_array_equal(
        rows.take(np.array([3, 0, 2])), [[301, 302, 0], [1, 2, 3], [0, 0, 0]]
    )
    assert rows.take(np.array([2])).shape == (1, 0)
    np.testing.assert_array_equal(rows.first(2).take(np.array([1])), [[101]])


def test_rows_of_nothing_are_nothing(tmp_path: Path) -> None:
    rows = _written(tmp_path / "ids.npy", _texts([0, 0]))
    assert rows.take(np.array([1, 0])).shape == (2, 0)


def test_a_row_of_another_kind_is_refused(tmp_path: Path) -> None:
    with RowsWriter(tmp_path / "ids.npy", np.zeros((2, 3))) as writer:
        for row in (np.zeros((2, 4)), np.zeros((2, 3), np.float32)):
            with pytest.raises(ValueError, match="ids is"):
                writer.append(row)


def _split(lengths: list[int]) -> EncodedSplit:
    texts = _texts(lengths)
    rows = ArrayRows(np.concatenate(texts), np.cumsum([0, *lengths]))
    return EncodedSplit({"ids": rows}, {"answer": np.arange(len(lengths))})


def test_batches_hold_texts_of_like_length() -> None:
    lengths = np.random.default_rng(0).integers(1, 200, 8 * POOL).tolist()
    batches = Batches(_split(lengths), 8, shuffle=torch.Generator().manual_seed(0))
    order = batches.order()
    assert sorted(np.concatenate(order).tolist()) == list(range(len(lengths)))
    padded = sum(len(at) * max(lengths[one] for one in at) for at in order)
    assert padded < 1.1 * sum(lengths)
    # Neither the same batches nor the shortest first, every time.
    firsts = [max(lengths[one] for one in at) for at in order]
    assert firsts != sorted(firsts)
    assert not all(np.array_equal(a, b) for a, b in zip(order, batches.order(), strict=True))


def test_labels_stay_with_their_texts_and_the_remainder_is_anyones() -> None:
    split = _split([5, 1, 4, 2, 3, 7, 6])
    batches = Batches(split, 3, shuffle=torch.Generator().manual_seed(1))
    left_out: set[int] = set()
    for _ in range(20):
        batch_rows = []
        for arrays, labels in batches:
            firsts = arrays["ids"][:, 0].tolist()
            assert firsts == [100 * at + 1 for at in labels["answer"].tolist()]
            batch_rows += labels["answer"].tolist()
        assert len(batch_rows) == 6
        left_out |= set(range(7)) - set(batch_rows)
    assert len(left_out) > 3


def test_what_is_not_shuffled_comes_whole() -> None:
    split = _split([5, 1, 4, 2])
    assert [len(labels["answer"]) for _, labels in Batches(split, 3)] == [3, 1]
    assert np.concatenate(Batches(split, 3).order()).tolist() == [1, 3, 2, 0]
