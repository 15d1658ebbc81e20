"""Pebbles for the parts of the engine: one champion for all tests, a copy of it for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.circle import Begin, champion, circles


@pytest.fixture(scope="session")
def pebbled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose champion v1 knows pebbles. Nobody writes there."""
    home = tmp_path_factory.mktemp("pebbled") / "home"
    champion(home).ledger.close()
    return home


@pytest.fixture
def begin(pebbled: Path, tmp_path: Path) -> Iterator[Begin]:
    """`begin(*policies)`: a circle over a copy of that workspace; again, over the same copy."""
    with circles(pebbled, tmp_path / "home") as begun:
        yield begun
