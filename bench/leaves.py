"""Every row of the table on real leaves: `python -m bench.leaves`; about 20 minutes."""

from __future__ import annotations

from bench.command import Rows, run
from bench.leaf_rows import ROWS
from bench.rows import measure_rows


def measure(only: Rows = None) -> int:
    """Train on the leaves in TIDEMILL_REAL_DATA, once per row and seed, and judge every row."""
    title = "Real leaves, accuracy on the test split, mean of the seeds"
    return measure_rows("leaves", title, ROWS, only)


if __name__ == "__main__":
    run(measure)
