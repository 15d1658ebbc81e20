from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Ask
from tidemill.cli.data import first_lines
from tidemill.recipes.shared.image_faults import plant
from tidemill.screen import LISTED


def test_a_kind_with_many_findings_is_counted_after_the_first() -> None:
    findings = [("conflict", f"Row {n}.") for n in range(LISTED + 3)]
    findings.insert(1, ("leak", "Elsewhere."))
    lines = list(first_lines(findings))
    assert len(lines) == LISTED + 2
    assert lines[:2] == ["Row 0.", "Elsewhere."]
    assert lines[-1] == "... and 3 more [conflict]; --json lists them all"


def test_a_check_tells_what_occurs_again(tell: Ask, tmp_path: Path) -> None:
    plant(tmp_path / "leaves")
    words = ("data", "check", "coffee", "data=folder", f"data.path={tmp_path / 'leaves'}")
    result = tell(*words)
    assert result.code == 3
    repeated = "Rows whose content occurred before: 3, 2 with the same label and 1 with another."
    assert repeated in result.err
    assert "Different contents in both train and test: 1." in result.err
    body = tell(*words, "--json").body
    assert body["duplicates"] == {
        "rows": 3,
        "same_label": 2,
        "other_label": 1,
        "shared": [{"splits": ["train", "test"], "contents": 1}],
    }
    assert body["notes"] == []
    assert len(body["findings"]) == 4


def leaves(folder: Path) -> list[str]:
    """Words for a folder of two leaves, a note and two hidden files."""
    for n, name in enumerate(("healthy", "rust")):
        (folder / name).mkdir(parents=True)
        Image.new("RGB", (32, 32), (40 + 100 * n, 90, 30)).save(folder / name / "a.png")
        (folder / name / ".DS_Store").write_bytes(b"")
    (folder / "rust" / "notes.txt").write_text("wet spring")
    return ["coffee", "data=folder", f"data.path={folder}", "checks.minimum_per_class=1"]


HIDDEN = "2 files ignored (hidden): healthy/.DS_Store, rust/.DS_Store."
NO_IMAGE = "1 file ignored (no .bmp/.gif/.jpeg/.jpg/.png/.tif/.tiff/.webp file): rust/notes.txt."


def test_a_check_names_the_files_that_it_ignored(tell: Ask, tmp_path: Path) -> None:
    words = leaves(tmp_path / "leaves")
    result = tell("data", "check", *words)
    assert HIDDEN in result.err
    assert NO_IMAGE in result.err
    body = tell("data", "check", *words, "--json").body
    assert body["notes"] == [HIDDEN, NO_IMAGE]
    assert body["ignored_files"][0] == {"path": "healthy/.DS_Store", "reason": "hidden"}
    assert len(body["ignored_files"]) == 3


@pytest.mark.parametrize("command", [("data", "snapshot"), ("train",)])
def test_a_refused_import_names_the_files_that_it_ignored(
    tell: Ask, tmp_path: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "elsewhere"))
    *words, _ = leaves(tmp_path / "leaves")
    result = tell(*command, *words, "checks.minimum_per_class=9")
    assert result.code == 3
    assert HIDDEN in result.err.splitlines()
    assert NO_IMAGE in result.err.splitlines()


def test_statistics_come_as_markdown(tell: Ask) -> None:
    result = tell("data", "stats", "--markdown")
    assert result.code == 0
    assert result.out.startswith("# Data of ")
    assert result.out == tell("data", "stats", "--markdown").out
    assert "| source | train |" in result.out


@pytest.mark.parametrize("value", ["maybe", "2"])
def test_whether_a_test_is_kept_is_yes_or_no(tell: Ask, value: str) -> None:
    result = tell("data", "check", "coffee", f"checks.keep_test={value}")
    assert result.code == 2
    assert "keep_test" in result.err
