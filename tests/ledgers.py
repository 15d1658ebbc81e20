"""Every ledger. A new adapter joins all suites that run on each by one line in LEDGERS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tidemill.adapters.memory import FixedClock
from tidemill.adapters.memory_ledger import MemoryLedger
from tidemill.adapters.sql.ledger import SqlLedger
from tidemill.adapters.sql.upgrade import upgrade
from tidemill.domain.ledger import Ledger


def sql(folder: Path) -> Ledger:
    upgrade(folder / "ledger.sqlite")
    return SqlLedger.existing(folder / "ledger.sqlite", FixedClock())


LEDGERS: dict[str, Callable[[Path], Ledger]] = {"memory": lambda _: MemoryLedger(), "sql": sql}
