"""Every row of the table on a real graph: `python -m bench.nodes`; about 5 minutes."""

from __future__ import annotations

from bench.command import Rows, run
from bench.node_rows import ROWS
from bench.rows import measure_rows


def measure(only: Rows = None) -> int:
    """Train on the graph in TIDEMILL_REAL_DATA, once per row and seed, and judge every row."""
    title = "A real graph, accuracy on the test split, mean of the seeds"
    return measure_rows("nodes", title, ROWS, only)


if __name__ == "__main__":
    run(measure)
