"""What every case has: the marker `case`, a time limit, and its figure in the summary."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType

import pytest

from tests.cases.commands import train_small
from tests.cases.names import OpenLoop, open_loops, train_champion
from tests.cases.server import Serve, Server, served
from tests.cases.verdict import FallsShort

HERE = Path(__file__).parent
LIMIT_S = 600
"""Seconds that a case may take. None needs a fifth of them on an idle machine."""


class OutOfTime(Exception):
    """A case did not come to a verdict in time. This is a failure, never an expected one."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test below this folder the marker `case`, before markers are selected by."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.case)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the figure of an expected failure beside its reason."""
    report = yield
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, FallsShort) and hasattr(report, "wasxfail"):
        report.wasxfail = f"{report.wasxfail}. Measured: {error}"
    return report


@pytest.fixture(autouse=True)
def _time_limit() -> Iterator[None]:
    """Interrupt a case that hangs, so that it still ends what it started."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise OutOfTime(f"The case has no verdict after {LIMIT_S} seconds.")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(LIMIT_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def trained_pebbles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose champion v1 knows pebbles. Nobody writes there."""
    home = tmp_path_factory.mktemp("pebbles") / "home"
    train_champion(home).ledger.close()
    return home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the workspace of a case lies."""
    return tmp_path / "home"


@pytest.fixture
def begin(trained_pebbles: Path, home: Path) -> Iterator[OpenLoop]:
    """`begin(*policies)` opens an engine and a stand-in for a server over a copy in `home`."""
    with open_loops(trained_pebbles, home) as opened:
        yield opened


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`trained(recipe)`: a workspace with a small champion of a recipe. Nobody writes there."""
    homes: dict[str, Path] = {}

    def home_of(recipe: str) -> Path:
        if recipe not in homes:
            home = tmp_path_factory.mktemp(recipe) / "home"
            train_small(recipe, home)
            homes[recipe] = home
        return homes[recipe]

    return home_of


@pytest.fixture
def serve(trained: Callable[[str], Path], home: Path) -> Serve:
    """Serves a copy of a small champion; a test serves one workspace."""

    def begin(recipe: str, **settings: str) -> AbstractContextManager[Server]:
        shutil.copytree(trained(recipe), home, ignore=shutil.ignore_patterns("samples"))
        return served(home, **settings)

    return begin
