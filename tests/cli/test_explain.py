"""`tidemill explain`: a heat image on disk, and what it is of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from uuid_utils import uuid7

from tidemill.domain.events import (
    AliasMoved,
    RunFinished,
    SnapshotTaken,
    VerdictRecorded,
    VersionRegistered,
)
from tidemill.domain.types import Alias, ModelVersion, Run, Snapshot, Verdict
from tidemill.workspace.workspace import Workspace

Ask = Callable[..., Any]


@pytest.fixture
def look(
    tell: Ask,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tiny_files: Callable[..., dict[str, bytes]],
) -> Ask:
    """Runs the command line over a workspace whose champion knows colours."""
    home = tmp_path / "colours"
    workspace = Workspace(home, actor="eve").create()
    labels = {"disease": ("miner", "healthy", "phoma"), "sort": ("red", "green")}
    bundle = workspace.bundles.write("coffee", tiny_files(labels))
    now = workspace.clock.now()
    run = Run(str(uuid7()), "coffee", "s" * 64, 7, {}, {}, {}, now)
    taken = Snapshot("s" * 64, "coffee", 3, {}, labels, "stop", None, now)
    with workspace.ledger.begin() as unit:
        unit.add(taken, SnapshotTaken(actor="eve", subject=taken.id, rows=3))
        unit.add(run, RunFinished(actor="eve", subject=run.id, weights=""))
        id = unit.next_version()
        version = ModelVersion(id, bundle, run.id, taken.id, "coffee", None, now)
        unit.add(version, VersionRegistered(actor="eve", subject=id, bundle=bundle, run=run.id))
        verdict = Verdict(str(uuid7()), id, None, True, (), 1, now)
        unit.add(verdict, VerdictRecorded(actor="eve", subject=verdict.id, version=id, passed=True))
        moved = AliasMoved(actor="eve", subject=id, version=id, before=None, verdict=verdict.id)
        unit.move_alias(Alias("champion", id, verdict.id, now), expected=None, event=moved)
    workspace.close()
    monkeypatch.setenv("TIDEMILL_HOME", str(home))
    return tell


@pytest.fixture
def red(tmp_path: Path, paint: Callable[[Sequence[int]], bytes]) -> Path:
    file = tmp_path / "red.png"
    file.write_bytes(paint((250, 20, 20)))
    return file


def test_a_image_and_what_it_is_of(look: Ask, red: Path, tmp_path: Path) -> None:
    out = tmp_path / "heat.png"
    result = look("explain", str(red), "--out", str(out), "--json")
    assert result.code == 0, result.err
    body = result.body
    assert (body["version"], body["target"], body["label"]) == ("v1", "disease", "miner")
    assert body["probability"] > 0.9
    assert len(body["drops"]) == 8
    assert set(body["strongest"]) == {"row", "column", "drop"}
    with Image.open(out) as opened:
        assert opened.format == "PNG"


def test_another_target_and_label_and_a_sentence(look: Ask, red: Path, tmp_path: Path) -> None:
    out = tmp_path / "heat.png"
    words = ("--target", "sort", "--label", "green")
    result = look("explain", str(red), "--out", str(out), *words)
    assert result.code == 0, result.err
    assert "sort: green" in result.out
    assert "answered by v1" in result.out
    assert "of 8, column" in result.out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--target", "colour"), 2, "no target 'colour'"),
        (("--label", "rot"), 2, "no label 'rot'"),
    ],
)
def test_a_name_that_the_model_does_not_have(
    look: Ask, red: Path, tmp_path: Path, words: Sequence[str], code: int, message: str
) -> None:
    result = look("explain", str(red), "--out", str(tmp_path / "heat.png"), *words)
    assert result.code == code
    assert message in result.err
    assert not (tmp_path / "heat.png").exists()


def test_files_that_cannot_be_read_or_written(look: Ask, red: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "heat.png")
    text = tmp_path / "text.png"
    text.write_text("no image")
    for file, message in ((tmp_path / "none.png", "cannot be read"), (text, "is not an image")):
        result = look("explain", str(file), "--out", out)
        assert result.code == 3
        assert file.name in result.err
        assert message in " ".join(result.err.split())
    result = look("explain", str(red), "--out", str(text / "heat.png"))
    assert result.code == 3
    assert "cannot be written" in " ".join(result.err.split())


def test_a_folder_of_images_fills_a_folder(look: Ask, red: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for name in ("one.png", "two.PNG"):
        (images / name).write_bytes(red.read_bytes())
    (images / "notes.txt").write_text("no image")
    result = look("explain", str(images), "--out", str(tmp_path / "maps"), "--json")
    assert result.code == 0, result.err
    assert [Path(row["out"]).name for row in result.body["explanations"]] == ["one.png", "two.png"]
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == ["one.png", "two.png"]


def test_two_images_do_not_share_a_file(look: Ask, red: Path, tmp_path: Path) -> None:
    words = ("explain", str(red), str(red), "--out")
    assert look(*words, str(tmp_path / "heat.png")).code == 2
    assert look(*words, str(tmp_path / "heat")).code == 2
    assert not (tmp_path / "heat").exists()


def test_pebbles_are_not_explained(tell: Ask, red: Path, tmp_path: Path) -> None:
    result = tell("explain", str(red), "--out", str(tmp_path / "heat.png"))
    assert result.code == 2
    assert "takes pebble" in result.err
