"""`tidemill batch`: a batch survives kill -9, and each of its inputs is answered once."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import started
from tidemill.adapters.traffic import TrafficFiles
from tidemill.testing.tiny_recipe.pebbles import pebbles

ROWS = 4000
Ask = Callable[..., Any]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "rows.jsonl"
    examples = pebbles(ROWS, 3, 0.0)
    lines = (json.dumps({"id": at} | json.loads(row.payload)) for at, row in enumerate(examples))
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


@pytest.mark.train_extra
def test_a_killed_batch_goes_on(tell: Ask, beach: Path, rows: Path, tmp_path: Path) -> None:
    output = tmp_path / "scored.jsonl"
    words = ("batch", str(rows), "--keep", "id", "--output", str(output))
    traffic = TrafficFiles(beach / "traffic")
    before = set(traffic.servers())

    def recorded(limit: int = 1) -> list[str]:
        return [
            row.id
            for server in traffic.servers()
            if server not in before
            for row in traffic.after(server, 0, limit=limit)
        ]

    with started(*words, home=beach) as process:
        while not recorded():
            assert process.poll() is None, process.communicate()
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not output.exists()
    report = tell(*words, "--json").body
    assert (report["rows"], report["predictions"], report["refused"]) == (ROWS, ROWS, 0)
    results = [json.loads(line) for line in output.read_text().splitlines()]
    assert [row["id"] for row in results] == list(range(ROWS))
    # Each answer is in the log once, also those between the log and the journal at the kill.
    assert sorted(recorded(ROWS)) == sorted(row["prediction_id"] for row in results)
    again = tell(*words)
    assert (again.code, "exists already" in again.err) == (1, True)


def test_the_summary_counts_what_could_not_be_read(tell: Ask, tmp_path: Path) -> None:
    file, output = tmp_path / "rows.csv", tmp_path / "scored.csv"
    file.write_text("gloss,length,weight\n40,50,100\n40,long,100\n")
    stopped = tell("batch", str(file), "-o", str(output))
    assert (stopped.code, "rows.csv line 3: length" in stopped.err.replace("\n", " ")) == (3, True)
    result = tell("batch", str(file), "-o", str(output), "--errors", "write")
    assert (result.code, result.out) == (0, "")
    assert "v1 predicted 1 of 2 inputs, 1 of them by an earlier run." in result.err
    assert f"1 inputs could not be read: {tmp_path / 'scored.csv.errors.jsonl'}" in result.err
