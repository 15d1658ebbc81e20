"""What people have at hand becomes the payload that a file of it would be."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tidemill.codecs.graph_payload import GraphPayload
from tidemill.codecs.image import ImagePayload
from tidemill.codecs.payload_like import find_files, list_payloads, to_payload
from tidemill.codecs.table import RowPayload
from tidemill.codecs.text import TextPayload
from tidemill.domain.errors import BadPayload, DataError, InvalidRequest

ROW = {"age": 40, "weight": 61.5, "city": "Oslo", "smokes": False, "note": None}


class Series:
    """A row of a data frame as pandas hands it out, with numbers of numpy."""

    def to_dict(self) -> dict[str, Any]:
        return {
            "age": np.int64(40),
            "weight": np.float64(61.5),
            "city": "Oslo",
            "smokes": np.bool_(False),
            "note": float("nan"),
        }


class Scalar:
    """A row of an Arrow table."""

    def as_py(self) -> dict[str, Any]:
        return dict(ROW)


class Frame:
    """A data frame of pandas."""

    columns = tuple(ROW)

    def to_dict(self, form: str) -> list[dict[str, Any]]:
        assert form == "records"
        return [dict(ROW), {**ROW, "age": 41}]


@pytest.mark.parametrize("value", [b"raw", bytearray(b"raw"), memoryview(b"raw")])
def test_bytes_are_the_payload(value: Any) -> None:
    for form in (TextPayload, ImagePayload, RowPayload, GraphPayload):
        assert to_payload(form, value) == b"raw"


def test_a_text_is_a_payload_or_the_name_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b"{}")
    assert to_payload(TextPayload, "profits rose") == b"profits rose"
    assert to_payload(TextPayload, {"text": "profits rose"}) == b"profits rose"
    assert to_payload(RowPayload, str(file)) == to_payload(RowPayload, file) == b"{}"


@pytest.mark.parametrize("value", [ROW, {"row": ROW}, Series(), Scalar()])
def test_a_row_comes_in_many_forms(value: Any) -> None:
    assert json.loads(to_payload(RowPayload, value)) == ROW


def test_a_column_may_be_called_row() -> None:
    assert json.loads(to_payload(RowPayload, {"row": 3})) == {"row": 3}


def test_an_image_is_stored_without_loss() -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    for value in (pixels, Image.fromarray(pixels)):
        with Image.open(io.BytesIO(to_payload(ImagePayload, value))) as opened:
            assert opened.format == "PNG"
            np.testing.assert_array_equal(np.asarray(opened), pixels)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((4, 4, 3)), "float64"),
        (np.zeros((4, 4, 7), np.uint8), "is no image"),
        (Image.new("F", (2, 2)), "mode F"),
    ],
    ids=("float", "channels", "mode"),
)
def test_what_is_no_image_is_refused(value: Any, message: str) -> None:
    with pytest.raises(BadPayload, match=message):
        to_payload(ImagePayload, value)


@pytest.mark.parametrize(
    ("form", "value", "message"),
    [
        (TextPayload, 3, "type int"),
        (TextPayload, {"txt": "a"}, "text: Field required"),
        (RowPayload, [1, 2], "type list"),
        (RowPayload, {"age": [1]}, "row.age"),
        (GraphPayload, {"nodes": []}, "nodes"),
    ],
    ids=("number", "field", "list", "cell", "nodes"),
)
def test_a_value_that_does_not_fit_is_refused(form: Any, value: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as raised:
        to_payload(form, value)
    assert "Give bytes, a path" in raised.value.hint


def test_a_file_that_is_missing_or_a_folder_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.png"):
        with pytest.raises(DataError, match=path.name):
            to_payload(ImagePayload, path)


def test_a_folder_stands_for_its_visible_files_of_that_kind(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "sub/c.jpg", ".d.jpg", ".cache/e.jpg", "labels.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    files = find_files(ImagePayload, [tmp_path])
    assert [path.relative_to(tmp_path).as_posix() for path in files] == [
        "a.jpg",
        "b.PNG",
        "sub/c.jpg",
    ]
    assert find_files(ImagePayload, [tmp_path / "*.jpg"]) == [tmp_path / "a.jpg"]
    assert find_files(ImagePayload, [tmp_path / "labels.csv"]) == [tmp_path / "labels.csv"]
    assert list(list_payloads(ImagePayload, tmp_path)) == files
    assert list(list_payloads(ImagePayload, [b"raw", tmp_path / "sub"])) == [b"raw", files[-1]]


@pytest.mark.parametrize("name", ["empty", "empty/*.png"])
def test_a_path_that_names_no_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"No file|has no file"):
        find_files(ImagePayload, [tmp_path / name])


def test_a_frame_gives_its_rows() -> None:
    pa = pytest.importorskip("pyarrow")
    frame: list[Any] = list(list_payloads(RowPayload, Frame()))
    assert [row["age"] for row in frame] == [40, 41]
    table = pa.table({"age": [1, 2], "city": ["Oslo", None]})
    rows = list(list_payloads(RowPayload, table))
    assert rows == [{"age": 1, "city": "Oslo"}, {"age": 2, "city": None}]


@pytest.mark.parametrize("value", [b"raw", {"text": "a"}, 3])
def test_one_payload_is_no_list(value: Any) -> None:
    with pytest.raises(InvalidRequest, match="no list of payloads"):
        list(list_payloads(TextPayload, value))
