"""A table of three columns with few values each. Of 500 people many must have the same row.

Equal rows of different people are no fault of such data, and different outcomes of theirs are
none either. So the check must find no error.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.cases.names import (
    DataError,
    DataRefused,
    Example,
    Finding,
    Inspection,
    TableCodec,
    apply_policy,
    find_faults,
    inspect,
    payload_id,
    row_to_json,
)
from tests.cases.verdict import falls_short, require

PEOPLE, COLUMNS = 500, {"sex": "fm", "deck": "123", "child": "ny"}
COLUMN_CONFIG = [
    {"name": name, "kind": "category", "values": list(values)} for name, values in COLUMNS.items()
]


def draw_people() -> list[Example]:
    """One row for each person; women lived more often."""
    draw = np.random.default_rng(1)
    people = []
    for at in range(PEOPLE):
        row = {name: str(draw.choice(list(values))) for name, values in COLUMNS.items()}
        lived = draw.random() < 0.2 + 0.5 * (row["sex"] == "f")
        label = {"outcome": "lived" if lived else "died"}
        payload = row_to_json(row)
        people.append(Example(payload_id(payload), payload, label, "people", f"row {at}"))
    return people


def rows_left(inspection: Inspection, findings: Sequence[Finding], policy: str) -> int:
    try:
        return PEOPLE - len(apply_policy(inspection, findings, policy).excluded)
    except (DataError, DataRefused):
        return 0


@falls_short(
    "data", "equal rows of 500 people are 12 errors, and drop leaves none; no error may be"
)
def test_equal_rows_of_different_people_are_no_error() -> None:
    inspection = inspect(draw_people(), TableCodec.from_config({"columns": COLUMN_CONFIG}))
    findings = find_faults(inspection, near_distance=0)
    errors = sum(finding.severity == "error" for finding in findings)
    left = {policy: rows_left(inspection, findings, policy) for policy in ("drop", "majority")}
    require(
        not errors,
        f"{errors} errors are found in {PEOPLE} rows, and of these {left['drop']} are left under"
        f" drop, {left['majority']} under majority",
    )
