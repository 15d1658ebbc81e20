"""A workspace scores files: each input once, its errors counted, also after an early end."""

from __future__ import annotations

import csv
import json
import sqlite3
import tracemalloc
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tidemill import Engine, Workspace
from tidemill.data.result_files import ResultColumns, result_writer
from tidemill.domain.errors import Conflict, DataError, NotFound, UsageError
from tidemill.domain.types import Prediction
from tidemill.learn.progress import Progress
from tidemill.testing.in_process import OpenLoop
from tidemill.testing.tiny_recipe.pebbles import pebbles
from tidemill.workspace import batch_chunk
from tidemill.workspace.batch_journal import BatchJournal, to_json

pytestmark = pytest.mark.xdist_group("pebbles")
TOO_LARGE = '{"id": "big", "gloss": 1, "length": 1e30, "weight": 1}\n'
"""A pebble on which the model of the fixture `overflowing` overflows."""


class Overflowing:
    """The model, which overflows on a pebble that is too long. Fulfils `Runtime`."""

    alone = False

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def run(self, arrays: Mapping[str, Any]) -> Mapping[str, Any]:
        outputs = {name: rows.copy() for name, rows in self.inner.run(arrays).items()}
        outputs["logits_stone"][arrays["pebble"][:, 1] > 1e20] = np.inf
        return outputs


@pytest.fixture
def overflowing(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    predictor = workspace._load_champion().predictor
    monkeypatch.setattr(predictor, "_runtime", Overflowing(predictor._runtime))
    return workspace


@pytest.fixture
def workspace(begin: OpenLoop) -> Iterator[Workspace]:
    """A workspace of its own over a copy of the trained one."""
    with Workspace(begin().workspace.home, actor="ada") as workspace:
        yield workspace


def write_rows(file: Path, n: int, seed: int = 3) -> list[dict[str, Any]]:
    """A file of JSON Lines with `n` pebbles, and their rows."""
    rows = [
        {"id": f"p{at}", **json.loads(row.payload)} for at, row in enumerate(pebbles(n, seed, 0.0))
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return rows


def results(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def logged(workspace: Workspace) -> list[Prediction]:
    files = workspace.traffic
    return [row for each in files.servers() for row in files.after(each, 0, limit=10**6)]


def test_each_input_is_predicted_and_recorded_once(workspace: Workspace, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", 150)
    steps: list[tuple[int, int]] = []
    output = tmp_path / "scored.jsonl"
    progress = Progress(step=lambda done, total: steps.append((done, total)))
    report = workspace.batch(tmp_path / "rows.jsonl", output, keep=["id"], progress=progress)
    assert (report.rows, report.predictions, report.refused, report.resumed) == (150, 150, 0, 0)
    assert steps == [(64, 150), (128, 150), (150, 150)]
    scored = results(output)
    assert [row["id"] for row in scored] == [row["id"] for row in rows]
    predictions = {row.id: row for row in logged(workspace)}
    assert [predictions[row["prediction_id"]].answers[0].label for row in scored] == [
        row["stone_label"] for row in scored
    ]
    assert {(row.kind, row.version) for row in predictions.values()} == {("batch", "v1")}
    assert len(predictions) == 150
    first = workspace.prediction(scored[0]["prediction_id"])
    assert first.answers[0].probabilities == scored[0]["stone_probabilities"]
    assert workspace.feedback(first, "slate").label == "slate"
    assert [path.name for path in sorted(tmp_path.glob(".scored*"))] == []


def test_the_drift_check_counts_a_batch_only_when_it_is_traffic(
    workspace: Workspace, tmp_path: Path
) -> None:
    write_rows(tmp_path / "rows.jsonl", 250, seed=50)
    workspace.batch(tmp_path / "rows.jsonl", tmp_path / "one.csv", keep=["id"])
    with Engine(workspace, "drift.every_s=0") as engine:
        engine.catch_up()
        assert workspace.drift().verdicts == ()
        assert workspace.drift().window.n == 0
        workspace.batch(tmp_path / "rows.jsonl", tmp_path / "two.csv", keep=["id"], live=True)
        engine.catch_up()
    [verdict] = workspace.drift().verdicts
    assert (verdict.n, verdict.drifted) == (250, False)


def test_the_formats_hold_the_same(workspace: Workspace, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", 5)
    (tmp_path / "rows.jsonl").write_text(
        "".join(json.dumps(row | {"at": at}) + "\n" for at, row in enumerate(rows))
    )
    for name in ("a.jsonl", "a.csv", "a.parquet"):
        workspace.batch([tmp_path / "rows.jsonl"], tmp_path / name, keep=["id", "at"])
    lines = results(tmp_path / "a.jsonl")
    with (tmp_path / "a.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    table = pq.read_table(tmp_path / "a.parquet")
    assert list(cells[0]) == table.column_names == list(lines[0])
    assert str(table.schema.field("at").type) == "int64"
    for line, cell, row in zip(lines, cells, table.to_pylist(), strict=True):
        assert cell["stone_label"] == row["stone_label"] == line["stone_label"]
        assert float(cell["stone_confidence"]) == row["stone_confidence"]
        assert json.loads(cell["stone_probabilities"]) == dict(row["stone_probabilities"])
        assert (int(cell["at"]), row["at"]) == (line["at"], line["at"])


def test_a_bad_row_stops_the_batch_or_is_written(overflowing: Workspace, tmp_path: Path) -> None:
    workspace = overflowing
    file, output = tmp_path / "rows.jsonl", tmp_path / "scored.jsonl"
    rows = write_rows(file, 70)
    lines = file.read_text().splitlines(keepends=True)
    bad = '{"id": "none", "gloss": "dull", "length": 1, "weight": 1}\n'
    file.write_text("".join([*lines[:66], bad, TOO_LARGE, "no JSON\n", *lines[66:]]))
    with pytest.raises(DataError, match=r"rows\.jsonl line 67: gloss: Input should") as raised:
        workspace.batch(file, output, keep=["id"])
    assert "--errors write" in raised.value.hint
    assert not output.exists()
    report = workspace.batch(file, output, keep=["id"], errors="write")
    assert (report.rows, report.predictions, report.refused, report.resumed) == (73, 70, 3, 66)
    assert [row["id"] for row in results(output)] == [row["id"] for row in rows]
    assert report.errors == tmp_path / "scored.jsonl.errors.jsonl"
    errors = results(report.errors)
    assert [(row["input"].split()[-1], row.get("id")) for row in errors] == [
        ("67", "none"),
        ("68", "big"),
        ("69", None),
    ]
    assert "finite" in errors[1]["message"]
    file.write_text("".join(lines))
    assert workspace.batch(file, output, keep=["id"], restart=True).errors is None
    assert not report.errors.exists()


def test_large_payloads_make_small_chunks(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "pebbles"
    folder.mkdir()
    for at, row in enumerate(pebbles(5, 3, 0.0)):
        (folder / f"{at}.json").write_bytes(row.payload.ljust(1000))
    monkeypatch.setattr(batch_chunk, "CHUNK_BYTES", 2000)
    steps: list[tuple[int, int]] = []
    progress = Progress(step=lambda done, total: steps.append((done, total)))
    report = workspace.batch(folder, tmp_path / "scored.csv", progress=progress)
    assert steps == [(2, 5), (4, 5), (5, 5)]
    assert report.predictions == 5


def test_an_overflow_stops_the_batch(overflowing: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    write_rows(file, 3)
    file.write_text(file.read_text() + TOO_LARGE)
    with pytest.raises(DataError, match=r"line 4: .*not a finite number"):
        overflowing.batch(file, tmp_path / "scored.csv", keep=["id"])


def test_what_was_logged_before_a_kill_is_not_predicted_again(
    workspace: Workspace, tmp_path: Path
) -> None:
    file, output = tmp_path / "rows.jsonl", tmp_path / "scored.jsonl"
    rows = write_rows(file, 200)
    file.write_text(file.read_text() + "bad\n")
    with pytest.raises(DataError):
        workspace.batch(file, output, keep=["id"])
    assert len(logged(workspace)) == 200
    journal = tmp_path / ".scored.jsonl.journal"
    with sqlite3.connect(journal) as db:
        # So a journal looks when the kill came between the log and the journal.
        db.execute("DELETE FROM rows WHERE number >= 192")
    db.close()
    report = workspace.batch(file, output, keep=["id"], errors="write")
    assert (report.resumed, report.predictions) == (192, 200)
    assert [row["id"] for row in results(output)] == [row["id"] for row in rows]
    assert sorted(row["prediction_id"] for row in results(output)) == sorted(
        row.id for row in logged(workspace)
    )


def test_a_batch_keeps_its_version_inputs_and_kind(workspace: Workspace, tmp_path: Path) -> None:
    file, output = tmp_path / "rows.jsonl", tmp_path / "scored.jsonl"
    write_rows(file, 70)
    file.write_text(file.read_text() + "bad\n")
    with pytest.raises(DataError):
        workspace.batch(file, output, keep=["id"])
    with pytest.raises(Conflict, match="as another kind, and 70 rows are done"):
        workspace.batch(file, output, keep=["id"], live=True)
    with pytest.raises(Conflict, match="with other inputs"):
        workspace.batch(file, output, keep=["id", "gloss"])
    with sqlite3.connect(tmp_path / ".scored.jsonl.journal") as db:
        db.execute("UPDATE plan SET value = 'v9' WHERE name = 'version'")
    db.close()
    with pytest.raises(NotFound, match="begun with v9, which cannot be loaded"):
        workspace.batch(file, output, keep=["id"])
    write_rows(file, 70)
    with pytest.raises(Conflict, match="with other inputs"):
        workspace.batch(file, output, keep=["id"])
    assert workspace.batch(file, output, keep=["id"], restart=True).resumed == 0


def test_one_process_writes_an_output_and_none_replaces_one(
    workspace: Workspace, tmp_path: Path
) -> None:
    file, output = tmp_path / "rows.jsonl", tmp_path / "scored.jsonl"
    write_rows(file, 3)
    journal = BatchJournal(tmp_path / ".scored.jsonl.journal")
    for restart in (False, True):
        with pytest.raises(Conflict, match="Another process"):
            workspace.batch(file, output, keep=["id"], restart=restart)
    journal.close()
    workspace.batch(file, output, keep=["id"])
    with pytest.raises(Conflict, match="exists already"):
        workspace.batch(file, output, keep=["id"])


def test_an_input_is_never_overwritten(workspace: Workspace, tmp_path: Path) -> None:
    file, link = tmp_path / "rows.jsonl", tmp_path / "link.jsonl"
    write_rows(file, 3)
    before = file.read_bytes()
    link.symlink_to(file)
    for output in (file, link):
        with pytest.raises(UsageError, match="it would be overwritten"):
            workspace.batch(file, output, keep=["id"], restart=True)
    errors = tmp_path / "scored.csv.errors.jsonl"
    errors.write_bytes(before)
    with pytest.raises(UsageError, match="it would be overwritten"):
        workspace.batch([file, errors], tmp_path / "scored.csv", keep=["id"], restart=True)
    assert file.read_bytes() == errors.read_bytes() == before
    assert list(tmp_path.glob(".*")) == []


def test_a_glob_and_a_folder_leave_out_what_the_batch_writes(
    workspace: Workspace, tmp_path: Path
) -> None:
    write_rows(tmp_path / "rows.jsonl", 3)
    output = tmp_path / "scored.jsonl"
    for _ in range(2):
        report = workspace.batch(tmp_path / "*.jsonl", output, keep=["id"], restart=True)
        assert report.rows == 3
        (tmp_path / "scored.jsonl.errors.jsonl").write_text("no row\n")
    output.unlink()
    with pytest.raises(Conflict, match=r"errors\.jsonl exists already"):
        workspace.batch(tmp_path / "rows.jsonl", output, keep=["id"])


def test_a_batch_goes_on_after_a_kill_behind_its_output(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rows(tmp_path / "rows.jsonl", 3)
    with monkeypatch.context() as patch:
        patch.setattr(BatchJournal, "remove", BatchJournal.close)
        workspace.batch(tmp_path / "*.jsonl", tmp_path / "scored.jsonl", keep=["id"])
    report = workspace.batch(tmp_path / "*.jsonl", tmp_path / "scored.jsonl", keep=["id"])
    assert (report.rows, report.resumed, len(logged(workspace))) == (3, 3, 3)
    assert list(tmp_path.glob(".scored*")) == []


def test_outputs_of_one_stem_have_errors_of_their_own(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    write_rows(file, 3)
    good = file.read_text()
    file.write_text(good + "bad\n")
    errors = workspace.batch(file, tmp_path / "a.csv", keep=["id"], errors="write").errors
    file.write_text(good)
    assert workspace.batch(file, tmp_path / "a.parquet", keep=["id"]).errors is None
    assert errors is not None
    assert len(results(errors)) == 1


def test_every_repeated_value_is_written(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    extras = [
        {"u": 2**64 - 1, "big": 2**70, "text": "a\ud800", "mixed": 1.5, "near": 1.5},
        {"u": 1, "big": 1, "text": "b", "mixed": 2**53 + 1, "near": 2},
    ]
    rows = [json.loads(row.payload) for row in pebbles(2, 3, 0.0)]
    file.write_text(
        "".join(json.dumps(row | more) + "\n" for row, more in zip(rows, extras, strict=True))
    )
    for name in ("a.jsonl", "a.csv", "a.parquet"):
        report = workspace.batch(file, tmp_path / name, keep=list(extras[0]))
        assert report.predictions == 2
    [first, second] = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert {name: first[name] for name in extras[0]} == {
        "u": 2**64 - 1,
        "big": str(2**70),
        "text": "a\\ud800",
        "mixed": "1.5",
        "near": 1.5,
    }
    assert second["mixed"] == str(2**53 + 1)


def test_what_no_file_holds_is_text_or_an_error(tmp_path: Path) -> None:
    nested: Any = "\udfff"
    for _ in range(300):
        nested = [nested]
    assert b"udfff" in to_json({"extras": {"nested": nested}})
    columns = ResultColumns((), (), items=False)
    write = result_writer(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="do not fit Parquet"):
        write(tmp_path / "a.parquet", [{"input": 5}], columns, {})


def test_a_repeated_column_never_hides_a_field_of_the_errors(
    workspace: Workspace, tmp_path: Path
) -> None:
    write_rows(tmp_path / "rows.jsonl", 3)
    for name in ("code", "message", "hint"):
        with pytest.raises(UsageError, match=f"'{name}' cannot be repeated: the errors"):
            workspace.batch(
                tmp_path / "rows.jsonl", tmp_path / "a.csv", keep=[name], errors="write"
            )


def test_what_cannot_begin_leaves_nothing(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    write_rows(file, 3)
    for output, keep, words in (
        (tmp_path / "scored.xlsx", ["id"], "is no file of results"),
        (tmp_path / "none" / "scored.csv", ["id"], "There is no folder"),
        (tmp_path / "scored.csv", [], "no part of a payload: id"),
        (tmp_path / "scored.csv", ["id", "at"], "has no column 'at'"),
    ):
        with pytest.raises(UsageError, match=words):
            workspace.batch(file, output, keep=keep)
    file.write_text('{"input": 1, "gloss": 1, "length": 1, "weight": 1}\n')
    with pytest.raises(UsageError, match="'input' cannot be repeated"):
        workspace.batch(file, tmp_path / "scored.csv", keep=["input"])
    assert list(tmp_path.glob(".scored*")) == []


def test_memory_does_not_grow_with_the_rows(workspace: Workspace, tmp_path: Path) -> None:
    peaks = []
    workspace.champion()
    for n in (300, 300, 3000):
        write_rows(tmp_path / "rows.jsonl", n)
        tracemalloc.start()
        workspace.batch(tmp_path / "rows.jsonl", tmp_path / "scored.csv", keep=["id"], restart=True)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # The first run loads the model.
    assert peaks[2] < 1.5 * peaks[1]
