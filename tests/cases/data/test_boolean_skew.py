"""A column of true and false, which Python writes into a CSV as True and False.

A client that asks sends JSON's true. Does the model get what it has learnt?
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cases.names import (
    UNKNOWN,
    CellColumns,
    DataError,
    LabelColumn,
    Part,
    RowSource,
    TableCodec,
    open_rows,
)
from tests.cases.verdict import falls_short, require

COLUMN = "smokes"
SPELLINGS = (["False", "True"], ["false", "true"])


def encoded(taught: bytes, values: list[str]) -> list[Any]:
    """What a training row and a client's row become where the codec lists these values."""
    columns = [{"name": COLUMN, "kind": "category", "values": values}]
    codec = TableCodec.from_config({"columns": columns})
    question = codec.payload.model_validate({"row": {COLUMN: True}}).to_bytes()
    return [codec.encode([codec.decode(row)])["categories"].tolist() for row in (taught, question)]


def outcome(taught: bytes, values: list[str]) -> str:
    """Whether both are one known value."""
    try:
        learnt, question = encoded(taught, values)
    except DataError as error:
        return f"refused ({error.message})"
    return "alike" if learnt == question != [[UNKNOWN]] else "not alike"


@falls_short("data", "True in a CSV and true of a client are never one known value")
def test_true_in_a_file_is_true_of_a_client(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(f"{COLUMN},risk\nTrue,high\nFalse,low\n", "utf-8")
    cells = CellColumns(words=(COLUMN,))
    source = RowSource("rows", [Part(open_rows(file))], cells, {"risk": LabelColumn("risk")})
    taught = next(iter(source.examples())).payload
    outcomes = {values[1]: outcome(taught, values) for values in SPELLINGS}
    require(
        "alike" in outcomes.values(),
        "are True in the file and true of a client one known value? By how the column lists it:"
        f" {json.dumps(outcomes)}",
    )
