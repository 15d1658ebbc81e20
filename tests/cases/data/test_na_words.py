"""Numbers as people write them into tables: NA where there is none, 1,234 and $5.

NA must count as missing, or the refusal must say what to do. The others likewise.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.cases.names import CellColumns, DataError, LabelColumn, Part, RowSource, open_rows
from tests.cases.verdict import falls_short, require

RIGHT = {"NA": None, "n/a": None, "-": None, "1,234": 1234.0, "$5": 5.0}


def fault(file: Path, word: str, right: float | None) -> str:
    """What is wrong with how a cell is read; empty when it is right, or refused with a hint."""
    file.write_text(f'age,income,risk\n30,"{word}",high\n', "utf-8")
    cells = CellColumns(numbers=("age", "income"))
    source = RowSource("rows", [Part(open_rows(file))], cells, {"risk": LabelColumn("risk")})
    try:
        value = json.loads(next(iter(source.examples())).payload).get("income")
    except DataError as error:
        return "" if error.hint else error.message
    return "" if value == right else f"{word} is read as {value}"


@falls_short(
    "data", "NA, n/a, -, 1,234 and $5 are refused without a hint; each must be read or get one"
)
def test_numbers_as_people_write_them_are_read_or_refused_with_a_hint(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    faults = [words for word, right in RIGHT.items() if (words := fault(file, word, right))]
    require(
        not faults,
        f"{len(faults)} of {len(RIGHT)} are refused without a way out, such as:"
        f" {''.join(faults[:1])}",
    )
