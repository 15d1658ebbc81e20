"""The table codec reads rows as people send them, and refuses the rest with a sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.codecs.codec import open_codec
from tidemill.codecs.columns import read_row, row_to_json
from tidemill.codecs.table import RowPayload, TableCodec
from tidemill.domain.errors import BadPayload, UsageError

CONFIG: dict[str, Any] = {
    "columns": [
        {"name": "age", "kind": "number"},
        {"name": "blood pressure", "kind": "number", "required": False},
        {"name": "smokes", "kind": "category", "values": ["false", "true"], "required": False},
        {"name": "grade", "kind": "category", "values": ["1", "2", "höher"]},
    ]
}
ROW: dict[str, Any] = {"age": 50, "blood pressure": 120.5, "smokes": True, "grade": 2}
ONE = {"columns": [{"name": "age", "kind": "number"}]}


@pytest.fixture
def codec() -> TableCodec:
    return TableCodec.from_config(CONFIG)


def payload(**changes: Any) -> bytes:
    return json.dumps(ROW | changes).encode()


def without(*names: str) -> bytes:
    return json.dumps({name: value for name, value in ROW.items() if name not in names}).encode()


def test_the_entry_point_finds_it(codec: TableCodec) -> None:
    assert isinstance(open_codec("table", codec.config()), TableCodec)


def test_config_round_trip(codec: TableCodec) -> None:
    again = TableCodec.from_config(json.loads(json.dumps(codec.config())))
    assert again.config() == codec.config()
    assert [column["required"] for column in codec.config()["columns"]] == [
        True,
        False,
        False,
        True,
    ]
    assert codec.config()["max_bytes"] == 100_000
    assert again.encode([again.decode(payload())]).keys() == {"numbers", "present", "categories"}


def test_numbers_what_is_there_and_categories(codec: TableCodec) -> None:
    rows = [payload(), without("blood pressure", "smokes"), payload(grade="höher", smokes="maybe")]
    arrays = codec.encode([codec.decode(row) for row in rows])
    assert arrays["numbers"].tolist() == [[50, 120.5], [50, 0], [50, 120.5]]
    assert arrays["present"].tolist() == [[1, 1], [1, 0], [1, 1]]
    assert arrays["categories"].tolist() == [[3, 3], [0, 3], [1, 4]]
    assert [arrays[name].dtype for name in ("numbers", "present", "categories")] == [
        np.float32,
        np.float32,
        np.int64,
    ]


def test_a_number_that_is_nought_is_there(codec: TableCodec) -> None:
    arrays = codec.encode([codec.decode(payload(age=0, **{"blood pressure": -0.0}))])
    assert arrays["numbers"].tolist() == [[0, 0]]
    assert arrays["present"].tolist() == [[1, 1]]


@pytest.mark.parametrize(
    ("columns", "names"), [(slice(0, 2), {"numbers", "present"}), (slice(2, 4), {"categories"})]
)
def test_a_table_of_one_kind_has_no_arrays_of_the_other(columns: slice, names: set[str]) -> None:
    codec = TableCodec.from_config({"columns": CONFIG["columns"][columns]})
    row = {column["name"]: ROW[column["name"]] for column in CONFIG["columns"][columns]}
    assert codec.encode([codec.decode(row_to_json(row))]).keys() == names


def test_no_row_makes_empty_arrays(codec: TableCodec) -> None:
    shapes = {name: array.shape for name, array in codec.encode([]).items()}
    assert shapes == {"numbers": (0, 2), "present": (0, 2), "categories": (0, 2)}


@pytest.mark.parametrize("word", [True, "true"])
def test_true_is_a_word(codec: TableCodec, word: bool | str) -> None:
    assert codec.decode(payload(smokes=word)).words == ("true", "2")


@pytest.mark.parametrize("absent", [payload(smokes=None), without("smokes")])
def test_null_and_an_absent_column_are_missing(codec: TableCodec, absent: bytes) -> None:
    assert codec.decode(absent).words == (None, "2")


def test_an_empty_text_is_a_word_and_not_listed(codec: TableCodec) -> None:
    assert codec.encode([codec.decode(payload(smokes=""))])["categories"].tolist() == [[1, 3]]


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (without("age"), "'age' is missing"),
        (payload(age=None), "'age' is missing"),
        (without("grade"), "'grade' is missing"),
        (payload(height=180), "no column 'height'"),
        (payload(age="50"), "'age' takes a number, not '50'"),
        (payload(age=True), "'age' takes a number, not True"),
        (payload(age=[50]), "'age' takes a number"),
        (payload(age="x" * 1000), r"takes a number, not 'x{59}\.\.\.\.$"),
        (payload(age=1e39), "'age' is not finite"),
        (payload(age=10**400), "'age' is not finite"),
        (payload().replace(b"50", b"1e999"), "'age' is not finite"),
        (payload(grade=2.0), "'grade' takes a word, not 2.0"),
        (payload(grade={}), "'grade' takes a word"),
        (payload(grade="\ud800"), "'grade' is not valid Unicode"),
        (payload(**{"x\n" * 200: 1}), r"no column 'x\\nx"),
        (payload(**{"\ud800": 1}), r"no column '\\ud800'"),
        (b'{"age": 1, "age": 2}', "a column twice"),
        (payload(age=float("nan")), "not JSON"),
        (payload(age=float("-inf")), "not JSON"),
        (payload().replace(b"50", b"5" * 5000), "not JSON"),
        (b"", "not JSON"),
        (b"age,grade\n50,2\n", "not JSON"),
        (b"\xff\xd8\xff", "not JSON"),
        (json.dumps(ROW).encode("utf-16"), "not JSON"),
        (b"[" * 50_000, "not JSON"),
        (b"[1, 2]", "no JSON object"),
        (b"null", "no JSON object"),
        (b" " * 100_001, "100,001 bytes; the limit is 100,000"),
    ],
)
def test_what_is_no_row_is_refused(codec: TableCodec, sent: bytes, says: str) -> None:
    with pytest.raises(BadPayload, match=says) as caught:
        codec.decode(sent)
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 200
    with pytest.raises(BadPayload, match=says):
        codec.fingerprint(sent)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, "columns"),
        ({"columns": []}, "columns"),
        ({"columns": [{"name": "age", "kind": "date"}]}, "columns.0"),
        ({"columns": [{"name": "", "kind": "number"}]}, "name"),
        ({"columns": [{"name": "age", "kind": "number", "values": ["1"]}]}, "values"),
        ({"columns": [{"name": "age", "kind": "number", "required": "no"}]}, "required"),
        ({"columns": [{"name": "grade", "kind": "category"}]}, "values"),
        ({"columns": [{"name": "grade", "kind": "category", "values": []}]}, "values"),
        ({"columns": [{"name": "grade", "kind": "category", "values": [True]}]}, "values"),
        ({"columns": [{"name": "grade", "kind": "category", "values": ["a", "a"]}]}, "twice"),
        ({"columns": [{"name": "missing.age", "kind": "number"}]}, "must not begin with"),
        ({"columns": [{"name": "embedding.0", "kind": "number"}]}, "must not begin with"),
        ({"columns": ONE["columns"] * 2}, "one name"),
        (ONE | {"max_bytes": 0}, "max_bytes"),
        (ONE | {"max_byte": 1}, "max_byte"),
    ],
)
def test_a_value_it_cannot_take(config: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        TableCodec.from_config(config)


def test_features_are_the_columns_and_what_is_wrong_with_them(codec: TableCodec) -> None:
    assert codec.features(codec.decode(payload())) == {
        "age": 50,
        "blood pressure": 120.5,
        "smokes": 3,
        "unknown.smokes": 0,
        "grade": 3,
        "unknown.grade": 0,
        "missing.blood pressure": 0,
        "missing.smokes": 0,
    }


def test_features_of_what_is_missing_or_not_listed(codec: TableCodec) -> None:
    features = codec.features(codec.decode(b'{"age": 7, "grade": "9"}'))
    assert features["unknown.grade"] == features["grade"] == 1
    assert features["missing.blood pressure"] == features["missing.smokes"] == 1
    assert features["blood pressure"] == features["smokes"] == features["unknown.smokes"] == 0
    assert all(type(value) is float and np.isfinite(value) for value in features.values())


def test_a_row_is_itself_however_it_is_written(codec: TableCodec) -> None:
    plain = codec.fingerprint(b'{"age":50,"grade":"2"}')
    assert codec.fingerprint(b'{ "grade": 2, "age": 50.0, "smokes": null }') == plain
    assert codec.fingerprint(b'{"age":-0.0,"grade":"2"}') == codec.fingerprint(
        b'{"age":0,"grade":"2"}'
    )
    assert codec.fingerprint(b'{"age":50,"grade":"2","smokes":false}') != plain


def test_missing_is_not_nought_and_one_column_is_not_another() -> None:
    columns = [{"name": name, "kind": "number", "required": False} for name in "ab"]
    codec = TableCodec.from_config({"columns": columns})
    sent = (b"{}", b'{"a":0}', b'{"b":0}', b'{"a":0,"b":0}')
    assert len({codec.fingerprint(row).exact for row in sent}) == 4


def test_only_identical_rows_are_near(codec: TableCodec) -> None:
    near = [codec.fingerprint(payload(age=age)).near for age in range(100)]
    assert min((one ^ other).bit_count() for one, other in combinations(near, 2)) > 8
    assert all(0 <= value < 2**64 for value in near)


cells = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False)


@given(st.dictionaries(st.text(), cells))
def test_the_json_of_a_row_leads_back_to_its_bytes(row: Mapping[str, Any]) -> None:
    try:
        canonical = row_to_json(row)
    except BadPayload:
        assert not all(abs(v) < np.inf for v in row.values() if isinstance(v, float)) or any(
            "\ud800" <= letter <= "\udfff" for text in (*row, *row.values()) for letter in str(text)
        )
        return
    assert read_row(canonical) == row
    assert RowPayload.from_bytes(canonical).to_bytes() == canonical
    spaced = json.dumps(dict(reversed(list(row.items()))), indent=1).encode()
    assert RowPayload.from_bytes(spaced).to_bytes() == canonical


def test_numbers_stay_as_they_were_written() -> None:
    canonical = b'{"a":1,"b":1.0,"c":true,"d":"1","e":null,"f":1e+22}'
    assert RowPayload.from_bytes(canonical).to_bytes() == canonical


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b'{"age": [1]}', "'age' holds no plain value"),
        (b'{"age": {"a": 1}}', "'age' holds no plain value"),
        (b"[]", "no JSON object"),
    ],
)
def test_bytes_that_are_no_row_have_no_json_form(sent: bytes, says: str) -> None:
    with pytest.raises(BadPayload, match=says):
        RowPayload.from_bytes(sent)


@pytest.mark.parametrize("value", [float("inf"), "\ud800"])
def test_a_row_that_json_cannot_write(value: float | str) -> None:
    with pytest.raises(BadPayload, match="cannot write"):
        RowPayload(row={"age": value}).to_bytes()


def test_the_document_names_the_columns(codec: TableCodec) -> None:
    field = codec.payload.model_json_schema()["properties"]["row"]
    assert field["required"] == ["age", "grade"]
    assert field["additionalProperties"] is False
    assert field["properties"] == {
        "age": {"type": "number"},
        "blood pressure": {"type": ["number", "null"]},
        "smokes": {
            "type": ["string", "integer", "boolean", "null"],
            "examples": ["false", "true"],
        },
        "grade": {"type": ["string", "integer", "boolean"], "examples": ["1", "2", "höher"]},
    }
    [example] = field["examples"]
    sent = codec.payload.model_validate({"row": example}).to_bytes()
    assert codec.decode(sent).words == ("false", "1")


def test_its_payload_takes_rows_as_any_does(codec: TableCodec) -> None:
    body = {"row": ROW}
    assert codec.payload.model_validate(body).to_bytes() == RowPayload(**body).to_bytes()
    assert codec.payload.from_bytes(payload()).model_dump() == body
    assert codec.payload is not RowPayload
    assert issubclass(codec.payload, RowPayload)
