"""Where the files of a pretrained model are found, and what is said when they are not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tidemill.domain.errors import DataError, Unavailable, UsageError
from tidemill.learn.model_files import ModelFiles

REVISION = "0123456789abcdef0123456789abcdef01234567"
PINNED = f"acme/tiny@{REVISION}"
FILES = ModelFiles(needed=("config.json", "weights"), choices="Or none.", saved="Save it.")


def fill(folder: Path, *files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for file in files or FILES.needed:
        (folder / file).write_text("{}")
    return folder


def fill_cache(cache: Path, *files: str) -> Path:
    """A model as the hub's cache keeps it, at one commit."""
    return fill(cache / "models--acme--tiny" / "snapshots" / REVISION, *files)


@pytest.fixture
def unreachable_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub on a port where nothing listens."""
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")


def test_a_folder_is_itself(tmp_path: Path) -> None:
    assert FILES.locate(str(fill(tmp_path / "mine"))) == tmp_path / "mine"
    assert FILES.in_folder(tmp_path / "mine") == tmp_path / "mine"


def test_a_folder_that_lacks_a_file_or_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no weights") as caught:
        FILES.locate(str(fill(tmp_path, "config.json")))
    assert caught.value.hint == "Save it."
    with pytest.raises(UsageError, match="There is no folder"):
        FILES.locate(str(tmp_path / "elsewhere"))


@pytest.mark.usefixtures("unreachable_hub")
def test_what_was_fetched_once_needs_no_network(tmp_path: Path) -> None:
    folder = fill_cache(tmp_path)
    assert FILES.locate(PINNED, cache=tmp_path) == folder
    assert FILES.here(PINNED, cache=tmp_path) == folder


@pytest.mark.usefixtures("unreachable_hub")
@pytest.mark.parametrize("files", [(), ("config.json",)])
def test_what_was_not_fetched_is_not_here_and_cannot_be_had(
    tmp_path: Path, files: tuple[str, ...]
) -> None:
    if files:
        fill_cache(tmp_path, *files)
    assert FILES.here(PINNED, cache=tmp_path) is None
    with pytest.raises(Unavailable, match=f"{PINNED} cannot be had") as caught:
        FILES.locate(PINNED, cache=tmp_path)
    assert caught.value.hint == "Without a network: Or none."


@pytest.mark.parametrize("commit", ["", "@", "@main", "@0123456", f"@{REVISION}0"])
def test_a_name_on_the_hub_needs_a_whole_commit(tmp_path: Path, commit: str) -> None:
    with pytest.raises(UsageError, match="names no commit") as caught:
        FILES.here(f"acme/tiny{commit}", cache=tmp_path)
    assert "acme/tiny@COMMIT" in caught.value.hint


def test_a_name_that_is_none(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    with pytest.raises(UsageError, match="neither a folder nor a name"):
        FILES.here(f"three/part/name@{REVISION}", cache=tmp_path)


def test_without_the_hubs_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(Unavailable, match="huggingface_hub is not installed") as caught:
        FILES.locate(PINNED)
    assert "tidemill[train]" in caught.value.hint
