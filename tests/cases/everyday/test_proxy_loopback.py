"""A machine has a proxy in its environment and no exceptions. Is the own server still reached?

What a command asks of a server that it started itself must not go through a proxy.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.cases.names import ServerProcess
from tests.cases.verdict import require

PROXIES = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
EXCEPTIONS = ("NO_PROXY", "no_proxy")


def test_a_proxy_does_not_hide_the_own_server(
    trained: Callable[[str], Path], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(trained("sentiment"), home)
    for name in PROXIES:
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in EXCEPTIONS:
        monkeypatch.delenv(name, raising=False)
    with ServerProcess(home, settings={}) as server:
        try:
            outcome = f"status {server.ready().status_code}"
        except httpx.HTTPError as error:
            outcome = f"{type(error).__name__}: {error}"
    require(
        outcome.startswith("status"),
        "with a proxy in the environment, a command that asks its own server whether it is ready"
        f" gets {outcome}",
    )
