"""Every ledger, for the suites of its contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Barrier, Thread

import pytest

from tests.ledgers import LEDGERS
from tidemill.domain.errors import Conflict
from tidemill.domain.ledger import Ledger, UnitOfWork

Race = Callable[[Callable[[UnitOfWork, str], object]], list[str]]


@pytest.fixture(params=LEDGERS)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    implementation = LEDGERS[request.param](tmp_path)
    yield implementation
    implementation.close()


@pytest.fixture
def race(ledger: Ledger) -> Race:
    """Does the same in a unit of each of two threads, `a` and `b`; returns how each came out."""

    def run(act: Callable[[UnitOfWork, str], object]) -> list[str]:
        together, results = Barrier(2), []

        def one(name: str) -> None:
            together.wait()
            try:
                with ledger.begin() as unit:
                    act(unit, name)
            except Conflict as error:
                results.append(type(error).__name__)
            else:
                results.append("won")

        threads = [Thread(target=one, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sorted(results)

    return run
