"""Every ledger. A new adapter joins all suites that run on each by one line in LEDGERS."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tidemill.adapters.memory import FixedClock
from tidemill.adapters.memory_ledger import MemoryLedger
from tidemill.adapters.sql.ledger import SqlLedger
from tidemill.adapters.sql.upgrade import upgrade
from tidemill.domain.ledger import Ledger


@cache
def empty_file() -> bytes:
    """A ledger that all migrations have run on; they take longer than what most tests do there."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        upgrade(path)
        assert list(path.parent.iterdir()) == [path]
        return path.read_bytes()


def sql(folder: Path) -> Ledger:
    (folder / "ledger.sqlite").write_bytes(empty_file())
    return SqlLedger.existing(folder / "ledger.sqlite", FixedClock())


LEDGERS: dict[str, Callable[[Path], Ledger]] = {"memory": lambda _: MemoryLedger(), "sql": sql}
