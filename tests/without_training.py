"""A pytest plugin for an environment without the libraries of training.

`make test-newer` loads it. Whatever fails because one of LIBRARIES cannot be imported is skipped,
and the reason names the library. A test with the marker `train_extra` is skipped, too: a process
that it starts needs such a library. Every other failure stays a failure.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

LIBRARIES = {
    "hydra": "hydra-core",
    "lightning": "lightning",
    "matplotlib": "matplotlib",
    "omegaconf": "omegaconf",
    "onnxscript": "onnxscript",
    "psycopg": "psycopg",
    "pyarrow": "pyarrow",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "torch": "torch",
    "torch_geometric": "torch-geometric",
    "transformers": "transformers",
}
"""Import name to distribution of each library that is absent here."""


def absent_library(error: BaseException | None) -> str | None:
    """The one of LIBRARIES whose absence an error comes from; None when it has another cause."""
    for link in chain(error):
        if isinstance(link, ModuleNotFoundError):
            name = (link.name or "").partition(".")[0]
            if name in LIBRARIES:
                return name
    return None


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and the errors that it was raised from or while."""
    visited: set[int] = set()
    while error is not None and id(error) not in visited:
        visited.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def pytest_configure() -> None:
    """Refuse to run where a library is present: its tests would be counted as run elsewhere."""
    if present := sorted(name for name in LIBRARIES if find_spec(name)):
        raise pytest.UsageError(f"{', '.join(present)} can be imported here.")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark = pytest.mark.skip(reason="a process that it starts needs the extra `train`")
    for item in items:
        if item.get_closest_marker("train_extra"):
            item.add_marker(mark)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    call = getattr(report, "call", None)  # pytest sets it after the class was written
    if report.failed and call is not None:
        skip_for_absence(report, call, collector.path)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        skip_for_absence(report, call, item.path)
    return report


def skip_for_absence(
    report: pytest.CollectReport | pytest.TestReport, call: pytest.CallInfo[Any], path: Path
) -> None:
    """Turn a failure into a skip where the absence of a library is its cause."""
    library = absent_library(call.excinfo.value if call.excinfo else None)
    if library is not None:
        report.outcome = "skipped"
        report.longrepr = (str(path), 0, f"Skipped: it needs {library}, which is not installed")
