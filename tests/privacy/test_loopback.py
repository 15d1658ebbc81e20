"""A proxy of the environment does not reach a server of this machine."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testing.test_clients import GOOD, PAYLOADS, start_server
from tidemill.adapters.child_process import wait_until_ready
from tidemill.client.client import Client
from tidemill.data.remote import RemoteFile
from tidemill.domain.hosts import reaches_this_machine
from tidemill.testing.clients import run_clients

ROOT = Path(__file__).parents[2]
CALLS = {"AsyncClient", "Client", "delete", "get", "head", "patch", "post", "put", "request"}
CALLS |= {"stream"}
DECIDED = {"transport", "trust_env"}


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.3.2.1", "::1", "[::1]"]
)
def test_this_machine_is_known_by_its_names(host: str) -> None:
    assert reaches_this_machine(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "::ffff:127.0.0.1"])  # noqa: S104
def test_an_address_that_leads_here_counts(host: str) -> None:
    assert reaches_this_machine(host)


@pytest.mark.parametrize(
    "host", ["", "example.org", "localhost.example.org", "192.0.2.1", "127.0.0.1.example.org"]
)
def test_another_machine_is_not_this_one(host: str) -> None:
    assert not reaches_this_machine(host)


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server on this machine, in an environment whose proxy leads nowhere."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with start_server(200, GOOD) as url:
        yield url


def test_no_client_of_ours_asks_the_proxy(url: str, tmp_path: Path) -> None:
    assert wait_until_ready(url) == ""
    with run_clients(url, PAYLOADS, limit=3) as clients:
        pass
    assert all(reply.ok for reply in clients.replies)
    with Client(url) as client:
        assert "predictions" in client.info()
    RemoteFile(f"{url}/rows.csv", tmp_path).fetch(lambda _done, _of: None)


def undecided(source: str) -> list[int]:
    """The lines that open a client of httpx without a word on the environment."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).startswith("httpx.")
        and ast.unparse(node.func).removeprefix("httpx.") in CALLS
        and not DECIDED & {keyword.arg for keyword in node.keywords}
    ]


def test_every_client_decides_whether_it_takes_a_proxy() -> None:
    assert undecided("httpx.get(url)\nhttpx.Client(trust_env=False)\nhttpx.URL(url)") == [1]
    faults = {
        path.relative_to(ROOT).as_posix(): lines
        for folder in ("src", "bench", "tests", "examples")
        for path in (ROOT / folder).rglob("*.py")
        if (lines := undecided(path.read_text(encoding="utf-8")))
    }
    assert faults == {}
