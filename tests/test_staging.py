"""Folders that appear whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tidemill.domain.errors import StorageFailed
from tidemill.staging import PREFIX, publish_folder, remove_abandoned, stage_folder


@pytest.fixture(scope="module")
def ended_pid() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as child:
        child.wait()
        return child.pid


def test_a_settled_folder_has_its_name_and_its_files(tmp_path: Path) -> None:
    with stage_folder(tmp_path / "kept") as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_bytes(b"whole")
        final = publish_folder(folder, "name")
    assert final == tmp_path / "kept" / "name"
    assert (final / "deep" / "file").read_bytes() == b"whole"
    assert [path.name for path in final.parent.iterdir()] == ["name"]


def test_a_file_in_the_place_of_a_folder_is_no_full_disk(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed) as caught, stage_folder(tmp_path / "file" / "snapshots"):
        pass
    assert caught.value.hint.startswith("A file is where a folder must be")


def test_a_block_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), stage_folder(tmp_path) as folder:
        (folder / "file").write_bytes(b"half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_block_that_settles_nothing_leaves_nothing(tmp_path: Path) -> None:
    with stage_folder(tmp_path) as folder:
        (folder / "file").write_bytes(b"whole, but nobody said so")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_storage_failure_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match="No space left"), stage_folder(tmp_path) as folder:
        (folder / "file").write_bytes(b"half")
        Path("/dev/full").write_bytes(b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_left_is_no_storage_failure(tmp_path: Path) -> None:
    with pytest.raises(BrokenPipeError), stage_folder(tmp_path):
        raise BrokenPipeError
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_a_storage_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageFailed, match="file") as caught, stage_folder(tmp_path / "file"):
        pytest.fail("there is no folder to write into")
    assert "TIDEMILL_HOME" in caught.value.hint


def test_a_name_that_is_there_already_keeps_what_it_has(tmp_path: Path) -> None:
    for content in (b"first", b"second"):
        with stage_folder(tmp_path) as folder:
            (folder / "file").write_bytes(content)
            assert publish_folder(folder, "name") == tmp_path / "name"
    assert (tmp_path / "name" / "file").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["name"]


def test_a_file_in_the_place_of_the_name_is_a_storage_failure(tmp_path: Path) -> None:
    (tmp_path / "name").write_text("in the way")
    with pytest.raises(StorageFailed), stage_folder(tmp_path) as folder:
        (folder / "file").write_bytes(b"whole")
        publish_folder(folder, "name")
    assert (tmp_path / "name").read_text() == "in the way"


def test_what_can_be_made_again_may_settle_without_reaching_the_disk(tmp_path: Path) -> None:
    with stage_folder(tmp_path) as folder:
        (folder / "file").write_bytes(b"whole")
        publish_folder(folder, "name", durable=False)
    assert (tmp_path / "name" / "file").read_bytes() == b"whole"


def test_a_sweep_takes_what_a_dead_writer_left(tmp_path: Path, ended_pid: int) -> None:
    left = tmp_path / f"{PREFIX}{ended_pid}-aa"
    (left / "deep").mkdir(parents=True)
    (left / "deep" / "file").write_bytes(b"half")
    (tmp_path / "finished").mkdir()
    assert remove_abandoned(tmp_path) == [left]
    assert [path.name for path in tmp_path.iterdir()] == ["finished"]
    assert remove_abandoned(tmp_path) == []


def test_a_sweep_leaves_the_living_alone(tmp_path: Path) -> None:
    with stage_folder(tmp_path) as folder:
        (tmp_path / f"{PREFIX}{os.getppid()}-aa").mkdir()
        assert remove_abandoned(tmp_path) == []
        assert folder.is_dir()


@pytest.mark.parametrize("name", ["", "x-1", "-1-aa", "1e3-aa", f"{10**30}-aa", "0-aa"])
def test_a_sweep_leaves_a_name_that_tells_no_process(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{PREFIX}{name}").mkdir()
    assert remove_abandoned(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == 1


def test_a_sweep_is_not_stopped_by_what_it_cannot_remove(tmp_path: Path, ended_pid: int) -> None:
    (tmp_path / f"{PREFIX}{ended_pid}-a file").write_bytes(b"no folder at all")
    (tmp_path / f"{PREFIX}{ended_pid}-bb").mkdir()
    assert remove_abandoned(tmp_path) == [tmp_path / f"{PREFIX}{ended_pid}-bb"]


def test_a_folder_that_was_never_made_has_nothing_to_sweep(tmp_path: Path) -> None:
    assert remove_abandoned(tmp_path / "nothing") == []
