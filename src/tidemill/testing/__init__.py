"""Tools for tests of a recipe: the loop in one process, real processes, clients, a fixed clock.

`docs/testing.md` shows how the author of a recipe uses them. Each name is loaded when it is first
used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidemill.adapters.child_process import EngineProcess, ServerProcess
    from tidemill.adapters.memory import FixedClock
    from tidemill.testing.clients import ClientPool, Reply, run_clients
    from tidemill.testing.in_process import InProcessLoop, open_loops, train_champion
    from tidemill.testing.judging import OutcomeRow, judge_outcomes
    from tidemill.testing.processes import wait_for, wait_until_ready
    from tidemill.testing.tiny_recipe.entry_points import use_tiny_recipe

__all__ = [
    "ClientPool",
    "EngineProcess",
    "FixedClock",
    "InProcessLoop",
    "OutcomeRow",
    "Reply",
    "ServerProcess",
    "judge_outcomes",
    "open_loops",
    "run_clients",
    "train_champion",
    "use_tiny_recipe",
    "wait_for",
    "wait_until_ready",
]

_MODULES = {
    "ClientPool": "tidemill.testing.clients",
    "EngineProcess": "tidemill.adapters.child_process",
    "FixedClock": "tidemill.adapters.memory",
    "InProcessLoop": "tidemill.testing.in_process",
    "OutcomeRow": "tidemill.testing.judging",
    "Reply": "tidemill.testing.clients",
    "ServerProcess": "tidemill.adapters.child_process",
    "judge_outcomes": "tidemill.testing.judging",
    "open_loops": "tidemill.testing.in_process",
    "run_clients": "tidemill.testing.clients",
    "train_champion": "tidemill.testing.in_process",
    "use_tiny_recipe": "tidemill.testing.tiny_recipe.entry_points",
    "wait_for": "tidemill.testing.processes",
    "wait_until_ready": "tidemill.testing.processes",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
