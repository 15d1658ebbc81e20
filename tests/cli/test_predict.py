"""`tidemill predict`: a line for each answer, and for each item where a payload asks for many."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import herds
from tests.web.conftest import ReferenceFor
from tests.web.conftest import Workspace as ServedWorkspace
from tidemill.workspace.workspace import Workspace

Ask = Callable[..., Any]


@pytest.fixture
def herd_home(tmp_path: Path, reference_for: ReferenceFor, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose champion v1 knows herds."""
    home = tmp_path / "herded"
    workspace = Workspace(home).create()
    space = ServedWorkspace(home, reference_for)
    space.recipe, space.ledger, space.bundles = "herd", workspace.ledger, workspace.bundles
    space.promote(space.enter(*herds.files()))
    workspace.close()
    monkeypatch.setenv("COLUMNS", "120")
    return home


def test_every_item_has_its_line(
    tell: Ask, herd_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a line holds a short name
    files = ["two.json", "one.json"]
    Path("two.json").write_bytes(herds.herd(150, 50))
    Path("one.json").write_bytes(herds.herd(20, first=8))
    result = tell("predict", *files, "--home", str(herd_home))
    cells = [line.split() for line in result.out.splitlines() if ".json" in line]
    assert [row[3:8:2] for row in cells] == [
        ["a0", "kind", "ox"],
        ["a1", "kind", "sheep"],
        ["a8", "kind", "sheep"],
    ]
    body = tell("predict", *files, "--home", str(herd_home), "--json").body
    items = [[answer["item"] for answer in row["answers"]] for row in body["predictions"]]
    assert items == [["a0", "a1"], ["a8"]]


def test_a_name_is_shown_as_it_is(tell: Ask, herd_home: Path, tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    file.write_bytes(herds.herd(20).replace(b'"a0"', b'"[/b]"'))
    assert "[/b]" in tell("predict", str(file), "--home", str(herd_home)).out


def test_a_payload_that_is_one_item_has_no_name_for_it(tell: Ask, tmp_path: Path) -> None:
    file = tmp_path / "pebble.json"
    file.write_text('{"gloss":40.0,"length":50.0,"weight":100.0}')
    result = tell("predict", str(file))
    assert "target" in result.out
    assert "item" not in result.out


def test_a_file_that_is_no_herd_is_named(tell: Ask, herd_home: Path, tmp_path: Path) -> None:
    file = tmp_path / "none.json"
    file.write_text("{}")
    result = tell("predict", str(file), "--home", str(herd_home))
    assert result.code
    assert "none.json" in result.err.replace("\n", "")


def test_folders_and_globs_name_several_files(tell: Ask, tmp_path: Path) -> None:
    folder = tmp_path / "pebbles"
    folder.mkdir()
    for name in ("b.json", "a.json", ".hidden.json", "read.me"):
        (folder / name).write_text('{"gloss":40.0,"length":50.0,"weight":100.0}')
    for words in ([str(folder)], [str(folder / "*.json")]):
        body = tell("predict", *words, "--json").body
        assert [Path(row["file"]).name for row in body["predictions"]] == ["a.json", "b.json"]
    empty = tell("predict", str(folder / "*.jpg"))
    assert (empty.code, "No file matches" in empty.err) == (3, True)


def test_only_recorded_predictions_have_an_id(tell: Ask, tmp_path: Path) -> None:
    file = tmp_path / "pebble.json"
    file.write_text('{"gloss":40.0,"length":50.0,"weight":100.0}')
    [row] = tell("predict", str(file), "--json").body["predictions"]
    assert "id" not in row
    [row] = tell("predict", str(file), "--record", "--json").body["predictions"]
    assert row["id"] in tell("lineage", row["id"]).out
