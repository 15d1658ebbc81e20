"""Record the coverage of `src`: `python docs/record_coverage.py REPORT`, as `make coverage` does.

REPORT is what `coverage json` writes. The figure goes to `docs/coverage.json` and into the README;
one below the minimum is recorded nowhere and ends with 1.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
RECORD = FOLDER / "coverage.json"
COMMAND = "make coverage"
MINIMUM = 90.0
SENTENCE = re.compile(
    r"The tests run [\d.]+ % of the lines and branches of `src` \(`make coverage`\)\."
)


def read_report(report: dict[str, Any]) -> dict[str, Any]:
    """The record of a report: lines and branches, how many there are and how many ran."""
    totals = report["totals"]
    return {
        "command": COMMAND,
        "percent": round(float(totals["percent_covered"]), 1),
        "lines": [totals["covered_lines"], totals["num_statements"]],
        "branches": [totals["covered_branches"], totals["num_branches"]],
        "files": len(report["files"]),
    }


def sentence_of(record: dict[str, Any]) -> str:
    """What the README says of a record."""
    return f"The tests run {record['percent']} % of the lines and branches of `src` (`{COMMAND}`)."


def state_figure(readme: str, record: dict[str, Any]) -> str:
    """The README with the figure of a record. Raises ValueError where it has not one sentence."""
    text, places = SENTENCE.subn(sentence_of(record), readme)
    if places != 1:
        raise ValueError(
            f"README.md needs this sentence once, not {places} times: {sentence_of(record)}"
        )
    return text


def main(path: str) -> int:
    record = read_report(json.loads(Path(path).read_text(encoding="utf-8")))
    print(json.dumps(record))
    if record["percent"] < MINIMUM:
        print(f"error: {record['percent']} % is below {MINIMUM} %.", file=sys.stderr)
        return 1
    readme = ROOT / "README.md"
    try:
        text = state_figure(readme.read_text(encoding="utf-8"), record)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    readme.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
