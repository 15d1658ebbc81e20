"""Images in Parquet files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidemill.data.image_rows import ImageRows, image_source
from tidemill.domain.errors import DataError
from tidemill.domain.ports import Source

NAMES = ["Healthy", "Red Spider Mite"]
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write(
    path: Path,
    images: list[bytes | None],
    labels: list[Any],
    *,
    names: list[str] | None = NAMES,
    kind: Any = IMAGE,
    **choices: Any,
) -> Path:
    """A file as `datasets` writes one: a struct per image, the classes' names in its metadata."""
    if kind == IMAGE:
        cells: list[Any] = [{"bytes": row, "path": f"{at}.jpg"} for at, row in enumerate(images)]
    else:
        cells = list(images)
    table = pa.table({"image": pa.array(cells, kind), "label": labels})
    if names is not None:
        features = {
            "image": {"_type": "Image"},
            "label": {"names": names, "_type": "ClassLabel"},
        }
        table = table.replace_schema_metadata(
            {"huggingface": json.dumps({"info": {"features": features}})}
        )
    pq.write_table(table, path, **choices)
    return path


def rows(source: Source) -> list[tuple[bytes, str, str, str | None]]:
    return [
        (row.payload, row.labels["disease"], row.origin, row.split) for row in source.examples()
    ]


def test_several_files_of_several_splits(tmp_path: Path) -> None:
    one = write(tmp_path / "train-0.parquet", [b"a", b"b"], [0, 1])
    two = write(tmp_path / "train-1.parquet", [b"c"], [1])
    test = write(tmp_path / "test.parquet", [b"d"], [0])
    source = image_source("hub", {"train": [one, two], "test": [test]}, "disease")
    assert rows(source) == [
        (b"a", "Healthy", "train-0.parquet row 1", "train"),
        (b"b", "Red Spider Mite", "train-0.parquet row 2", "train"),
        (b"c", "Red Spider Mite", "train-1.parquet row 1", "train"),
        (b"d", "Healthy", "test.parquet row 1", "test"),
    ]
    assert {row.source for row in source.examples()} == {"hub"}
    assert len(source) == 4


def test_names_may_be_given_or_be_in_the_column(tmp_path: Path) -> None:
    numbered = write(tmp_path / "n.parquet", [b"a"], [1], names=None)
    source = image_source("hub", {"train": [numbered]}, "disease", classes=["x", "y"])
    assert [row[1] for row in rows(source)] == ["y"]
    named = write(tmp_path / "s.parquet", [b"a"], ["rust"], names=None, kind=pa.binary())
    assert [row[:2] for row in rows(image_source("hub", {"train": [named]}, "disease"))] == [
        (b"a", "rust")
    ]


@pytest.mark.parametrize(
    ("images", "labels", "choices", "sentence"),
    [
        ([b"a", None], [0, 0], {}, "leaves.parquet row 2: there is nothing in 'image'"),
        ([b"a", b""], [0, 0], {}, "leaves.parquet row 2: there is nothing in 'image'"),
        ([b"a", b"b"], [0, None], {}, "leaves.parquet row 2: there is nothing in 'label'"),
        ([b"a", b"b"], [0, 2], {}, "leaves.parquet row 2: 'label' is 2, which is no class"),
        ([b"a"], [-1], {}, "leaves.parquet row 1: 'label' is -1, which is no class"),
        ([b"a"], [0], {"names": None}, "leaves.parquet numbers the classes in 'label'"),
        ([b"a"], [0], {"names": [1, 2]}, "leaves.parquet numbers the classes in 'label'"),
        ([], [], {}, "holds no row"),
        (["a.jpg"], [0], {"kind": pa.string()}, "'image' of leaves.parquet holds no images"),
    ],
)
def test_a_fault_names_file_and_row(
    tmp_path: Path,
    images: list[Any],
    labels: list[Any],
    choices: dict[str, Any],
    sentence: str,
) -> None:
    path = write(tmp_path / "leaves.parquet", images, pa.array(labels, pa.int64()), **choices)
    with pytest.raises(DataError) as caught:
        list(image_source("hub", {"train": [path]}, "disease").examples())
    assert sentence in caught.value.message


def test_other_metadata_names_no_class(tmp_path: Path) -> None:
    path = write(tmp_path / "leaves.parquet", [b"a"], [0], names=None)
    table = pq.read_table(path).replace_schema_metadata({"huggingface": "[]"})
    pq.write_table(table, path)
    with pytest.raises(DataError, match="does not name them") as caught:
        list(ImageRows(path, image="image", label="label").read([]))
    assert "data.classes" in caught.value.hint


def test_names_that_contradict_the_files_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "leaves.parquet", [b"a"], [0])
    with pytest.raises(DataError, match="calls its classes Healthy, Red Spider Mite"):
        rows(image_source("hub", {"train": [path]}, "disease", classes=["Mite", "Healthy"]))


def test_a_file_without_the_column_or_none_at_all(tmp_path: Path) -> None:
    path = write(tmp_path / "leaves.parquet", [b"a"], [0])
    with pytest.raises(DataError, match="no column 'photo'") as caught:
        list(image_source("hub", {"train": [path]}, "disease", image="photo").examples())
    assert "image, label" in caught.value.hint
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"leaves\.parquet cannot be read after row 0"):
        list(image_source("hub", {"train": [path]}, "disease").examples())


@pytest.mark.parametrize(("compression", "page_rows"), [("none", 1024), ("snappy", 8)])
def test_a_row_group_of_any_size_is_read_in_flat_memory(
    tmp_path: Path, compression: str, page_rows: int
) -> None:
    """`datasets` puts hundreds of images into one row group: it is never held whole."""
    size, peaks = 100_000, []
    random = np.random.default_rng(0)
    for count in (50, 200):
        path = write(
            tmp_path / f"{count}.parquet",
            [random.bytes(size) for _ in range(count)],
            [0] * count,
            row_group_size=count,
            write_batch_size=page_rows,
            compression=compression,
            use_dictionary=False,
        )
        before, peak = pa.total_allocated_bytes(), 0
        for row in image_source("hub", {"train": [path]}, "disease").examples():
            assert len(row.payload) == size
            peak = max(peak, pa.total_allocated_bytes() - before)
        peaks.append(peak)
    assert peaks[1] < 1.2 * peaks[0]
    assert peaks[1] < 40 * size
