"""`tidemill bench load` with Locust itself, against real servers."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tidemill import Workspace, run_load_test
from tidemill.client import load_test
from tidemill.domain.errors import DataError, Unavailable, UsageError
from tidemill.testing.tiny_recipe.entry_points import PLUGINS

HAS_LOCUST = find_spec("locust") is not None or shutil.which("locust") is not None
needs_locust = pytest.mark.skipif(
    not HAS_LOCUST, reason="Locust is not installed; `make integration` installs it"
)
Ask = Callable[..., Any]

pytestmark = pytest.mark.xdist_group("pebbles")


@pytest.fixture(scope="module")
def url(pebbled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of pebbles."""
    home = shutil.copytree(pebbled, tmp_path_factory.mktemp("served") / "home")
    path = os.pathsep.join(filter(None, [str(PLUGINS), os.environ.get("PYTHONPATH")]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", path)
        with Workspace(home) as workspace, workspace.serve() as server:
            yield server.url


@pytest.fixture
def pebble(tmp_path: Path) -> Path:
    file = tmp_path / "pebble.json"
    file.write_text('{"gloss":40.0,"length":50.0,"weight":100.0}')
    return file


@needs_locust
@pytest.mark.client
@pytest.mark.train_extra
def test_files_are_sent_and_the_verdict_is_the_exit_code(
    tell: Ask, url: str, pebble: Path, tmp_path: Path
) -> None:
    page = tmp_path / "load.html"
    words = ["bench", "load", url, "--users", "4", "--time", "2s", "--no-pause"]
    words += ["--payload", str(pebble), "--html", str(page)]
    result = tell(*words, "--json")
    body = result.body
    assert (result.code, body["passed"], body["failures"], body["faults"]) == (0, True, 0, {})
    assert [step["users"] for step in body["steps"]] == [4]
    assert body["requests"] > 0
    assert "<html" in page.read_text()
    missed = tell(*words, "--slo", "rate>=1000000")
    assert (missed.code, "Missed: rate>=1000000" in missed.out) == (1, True)
    assert re.search(r"Knee: ", missed.out)


@needs_locust
@pytest.mark.client
@pytest.mark.train_extra
def test_a_locustfile_brings_its_own_users(tell: Ask, url: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from locust import HttpUser, task\n\n\nclass Mine(HttpUser):\n    @task\n"
        "    def ask(self):\n        self.client.get('/v1/live')\n"
        "        self.client.get('/none')\n"
    )
    words = ("bench", "load", url, "--users", "1", "--time", "2s", "--locustfile", str(file))
    result = tell(*words, "--html", str(tmp_path / "load.html"), "--json")
    assert (result.code, result.body["missed"]) == (1, ["failures<=0%"])
    [fault] = result.body["faults"]
    assert fault.startswith("GET /none: 404")
    file.write_text("import nothing_of_this_name\n")
    result = tell(*words, "--html", str(tmp_path / "load.html"))
    assert (result.code, "nothing_of_this_name" in result.err) == (2, True)


def test_what_cannot_begin_says_why(
    tell: Ask, pebble: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for words, code, sentence in (
        (("coffee",), 2, "belongs to the recipe pebble"),
        (("ftp://localhost",), 2, "is no address"),
        (("http://localhost:9", "--slo", "fast"), 2, "is no objective"),
        (("http://localhost:9", "--time", "soon"), 2, "is no time"),
        (("http://localhost:9", "--locustfile", str(tmp_path / "none.py")), 2, "is no file"),
    ):
        result = tell("bench", "load", *words)
        assert (result.code, sentence in result.err.replace("\n", " ")) == (code, True), words
    monkeypatch.setattr(load_test, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="Locust, which sends the requests") as raised:
        run_load_test("http://localhost:9", payloads=[pebble])
    assert "tidemill[load]" in raised.value.hint


def test_a_server_without_known_users_is_named(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No users are known for the recipe 'pebble'"):
        load_test.choose_mix(url)
    with pytest.raises(Unavailable, match="does not say which recipe"):
        load_test.choose_mix("http://127.0.0.1:9")


@needs_locust
@pytest.mark.client
def test_a_test_without_a_request_measures_nothing(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "idle.py"
    file.write_text(
        "from locust import User, task\n\n\nclass Idle(User):\n    @task\n"
        "    def wait(self):\n        self._sleep(60)\n"
    )
    with pytest.raises(DataError, match="No request was sent"):
        run_load_test(url, users=1, seconds=1.0, locustfile=file)


@needs_locust
@pytest.mark.client
@pytest.mark.slow
@pytest.mark.train_extra
@pytest.mark.parametrize(
    ("recipe", "overrides"),
    [
        ("coffee", ()),
        ("plants", ()),
        ("sentiment", ("data.train=900", "train.epochs=6")),
        ("lucky", ()),
    ],
)
def test_the_users_of_the_original_systems_fail_nowhere(
    recipe: str, overrides: tuple[str, ...], tmp_path: Path
) -> None:
    """The mix of each system's own load test, with 50 users."""
    with Workspace(tmp_path / recipe, recipe=recipe) as workspace:
        workspace.train(*overrides)
        workspace.promote("v1", override="a load test asks for answers, not for good ones")
        with workspace.serve() as server:
            report = run_load_test(server.url, users=50, seconds=40.0)
    assert (dict(report.faults), report.missed) == ({}, [])
    assert report.last.users == 50
    assert report.last.requests > 0
