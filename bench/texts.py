"""Every row of the table on real texts: `python -m bench.texts`; about 45 minutes."""

from __future__ import annotations

from bench.command import Rows, run
from bench.rows import measure_rows
from bench.text_rows import ROWS


def measure(only: Rows = None) -> int:
    """Train on the texts in TIDEMILL_REAL_DATA, once per row and seed, and judge every row."""
    title = "Real texts, accuracy on the test split, mean of the seeds"
    return measure_rows("texts", title, ROWS, only)


if __name__ == "__main__":
    run(measure)
