"""Nodes from a `.npz` file, and every way in which one may not fit."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tidemill.data.node_arrays import NodeArrays
from tidemill.domain.errors import DataError

NAMES = ("mills", "rivers")
GOOD: dict[str, Any] = {
    "x_indptr": [0, 2, 2, 3, 4],
    "x_indices": [2, 0, 1, 1],
    "x_data": [1.0, 1.0, 0.5, 1.0],
    "x_shape": [4, 3],
    "y": [0, 1, 1, 0],
    "edge_index": [[0, 1, 2, 3], [1, 0, 0, 3]],
    "train_idx": [0],
    "val_idx": [1],
    "test_idx": [2],
}


def source(folder: Path, **changed: Any) -> NodeArrays:
    arrays = {name: np.array(value) for name, value in {**GOOD, **changed}.items()}
    np.savez(folder / "g.npz", **arrays)  # type: ignore[arg-type]  # numpy names no others
    return NodeArrays(folder / "g.npz", "topic", NAMES, features=3)


def test_every_node_is_an_example_with_its_mask(tmp_path: Path) -> None:
    nodes = source(tmp_path)
    rows = list(nodes.examples())
    assert len(nodes) == len(rows) == 4
    assert [row.payload for row in rows] == [
        b'{"nodes":[{"features":[0,2],"id":"0","links":["1","2"]}]}',
        b'{"nodes":[{"features":[],"id":"1","links":["0"]}]}',
        b'{"nodes":[{"features":{"1":0.5},"id":"2","links":["0"]}]}',
        b'{"nodes":[{"features":[1],"id":"3","links":[]}]}',
    ]
    assert [(row.split, dict(row.labels)) for row in rows] == [
        ("train", {"topic": "mills"}),
        ("val", {"topic": "rivers"}),
        ("test", {"topic": "rivers"}),
        ("train", {}),
    ]
    assert rows[3].origin == "g.npz node 3"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x_shape": [4, 5]}, "g.npz has 5 features where 3 are expected."),
        ({"x_shape": [4]}, "g.npz: x_shape is no count of nodes and features."),
        ({"x_shape": [0, 3]}, "g.npz: x_shape is no count of nodes and features."),
        ({"y": [0, 1, 1]}, "g.npz: y has the shape (3,), not (4,)."),
        ({"y": [0.0, 1, 1, 0]}, "g.npz: y holds float64, not whole numbers."),
        ({"y": [0, 1, 2, 0]}, "g.npz: node 2 has the class 2, and 2 classes are named."),
        ({"y": [0, -1, 1, 0]}, "g.npz: node 1 has the class -1, and 2 classes are named."),
        ({"x_indptr": [0, 2, 3]}, "g.npz: x_indptr has the shape (3,), not (5,)."),
        ({"x_indptr": [0, 3, 2, 3, 4]}, "g.npz: x_indptr does not divide x_indices into rows."),
        ({"x_indptr": [0, 2, 2, 3, 9]}, "g.npz: x_indptr does not divide x_indices into rows."),
        ({"x_indices": [3, 0, 1, 1]}, "g.npz: x_indices holds 3, which is not in 0..2."),
        ({"x_indices": [2, 2, 1, 1]}, "g.npz: node 0 has the feature 2 twice."),
        ({"x_data": [1, 1, 1]}, "g.npz: x_data and x_indices are not one number for each"),
        ({"x_data": [1, np.nan, 1, 1]}, "g.npz: x_data holds a number that is not finite."),
        ({"edge_index": [0, 1]}, "g.npz: edge_index has the shape (2,), not (2, edges)."),
        ({"edge_index": [[0], [4]]}, "g.npz: edge_index holds 4, which is not in 0..3."),
        ({"edge_index": [[0], [-1]]}, "g.npz: edge_index holds -1, which is not in 0..3."),
        ({"test_idx": [7]}, "g.npz: test_idx holds 7, which is not in 0..3."),
        ({"test_idx": [0]}, "g.npz: node 0 of test_idx is in train already."),
        ({"val_idx": [1, 1]}, "g.npz: node 1 of val_idx is in val already."),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as raised:
        list(source(tmp_path, **changed).examples())
    assert raised.value.message.startswith(message)


def test_an_array_of_objects_is_refused_and_never_loaded(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        list(source(tmp_path, y=np.array([{}, {}, {}, {}], object)).examples())


def test_a_file_without_an_array_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "g.npz", y=np.zeros(3))
    with pytest.raises(DataError, match="holds no array 'x_indptr'"):
        len(NodeArrays(tmp_path / "g.npz", "topic", NAMES, features=3))
    (tmp_path / "g.npz").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"cannot be read as \.npz"):
        len(NodeArrays(tmp_path / "g.npz", "topic", NAMES, features=3))
    with pytest.raises(DataError, match=r"cannot be read as \.npz"):
        len(NodeArrays(tmp_path / "none.npz", "topic", NAMES, features=3))
    np.save(tmp_path / "g.npy", np.zeros(3))
    with pytest.raises(DataError, match=r"cannot be read as \.npz"):
        len(NodeArrays(tmp_path / "g.npy", "topic", NAMES, features=3))


def damaged(folder: Path, offset: int, value: int) -> NodeArrays:
    """A compressed file whose array `y` has one byte changed, in its entry of the directory or,
    where the offset is negative, so far behind the beginning of its deflate stream."""
    path = folder / "g.npz"
    arrays = {name: np.array(value) for name, value in GOOD.items()}
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]  # numpy names no others
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        entry = archive.start_dir
        for member in members[: [member.filename for member in members].index("y.npy")]:
            entry += 46 + len(member.filename) + len(member.extra)
        member = archive.getinfo("y.npy")
    content = bytearray(path.read_bytes())
    name, extra = struct.unpack_from("<HH", content, member.header_offset + 26)
    stream = member.header_offset + 30 + name + extra
    at = stream - 1 - offset if offset < 0 else entry + offset
    assert content[at] != value
    content[at] = value
    path.write_bytes(content)
    return NodeArrays(path, "topic", NAMES, features=3)


@pytest.mark.parametrize(
    ("offset", "value", "cause"),
    [
        (-1, 0xFF, zlib.error),
        (-30, 0x55, zipfile.BadZipFile),
        (8, 1, RuntimeError),
        (10, 9, NotImplementedError),
        (16, 0, zipfile.BadZipFile),
    ],
    ids=["first byte", "later byte", "encrypted", "other compression", "other sum"],
)
def test_a_damaged_file_is_refused_with_its_cause(
    tmp_path: Path, offset: int, value: int, cause: type[Exception]
) -> None:
    with pytest.raises(DataError, match=r"g\.npz cannot be read as \.npz: .*[^.]\.$") as raised:
        len(damaged(tmp_path, offset, value))
    assert type(raised.value.__cause__) is cause
