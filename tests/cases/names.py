"""The names of the project that cases use, all in this file.

A case says what it tries; this file says what that is called. When a name of the project moves,
it moves here.
"""

from __future__ import annotations

from tidemill.adapters.child_process import ServerProcess, argv
from tidemill.adapters.clock import SystemClock
from tidemill.adapters.local_jobs import LocalJobs
from tidemill.adapters.memory import FixedClock
from tidemill.adapters.memory_ledger import MemoryLedger
from tidemill.adapters.sql.ledger import SqlLedger
from tidemill.adapters.sql.upgrade import upgrade
from tidemill.data.splits import joining_split as split_of_digest
from tidemill.domain.cycle import Cycle
from tidemill.domain.errors import LeaseLost, TidemillError
from tidemill.domain.feedback import Feedback
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import Check, Example, ModelVersion, Run, Verdict, payload_id
from tidemill.loop.cycle import LoopState
from tidemill.loop.cycle import decide as decide_step
from tidemill.loop.drift import DriftPolicy
from tidemill.loop.drift import check as check_drift
from tidemill.loop.evidence import Evidence, Outcomes, TargetEvidence
from tidemill.loop.feedback import ANONYMOUS, FeedbackPolicy
from tidemill.loop.feedback import decide_status as review_label
from tidemill.loop.feedback import give as give_feedback
from tidemill.loop.feedback import review as review_feedback
from tidemill.loop.gate import GatePolicy, judge, non_inferiority
from tidemill.loop.step import StartTraining, Wait
from tidemill.loop.transitions import move_cycle
from tidemill.loop.transitions import open_cycle as begin_cycle
from tidemill.loop.trigger import TriggerPolicy
from tidemill.testing.in_process import InProcessLoop, OpenLoop, open_loops, train_champion
from tidemill.testing.tiny_recipe.codec import Pebble
from tidemill.testing.tiny_recipe.pebbles import STONES, TARGET, flip_half, pebbles
from tidemill.workspace.state import loop_state as read_loop_state

__all__ = [
    "ANONYMOUS",
    "SMALL_PLANS",
    "STONES",
    "TARGET",
    "Check",
    "Cycle",
    "DriftPolicy",
    "Evidence",
    "Example",
    "Feedback",
    "FeedbackPolicy",
    "FixedClock",
    "GatePolicy",
    "InProcessLoop",
    "LeaseLost",
    "LocalJobs",
    "LoopState",
    "MemoryLedger",
    "ModelVersion",
    "OpenLoop",
    "Outcomes",
    "Pebble",
    "Run",
    "ServerProcess",
    "SqlLedger",
    "StartTraining",
    "SystemClock",
    "TargetEvidence",
    "TidemillError",
    "TriggerPolicy",
    "UnitOfWork",
    "Verdict",
    "Wait",
    "argv",
    "begin_cycle",
    "check_drift",
    "decide_step",
    "flip_half",
    "give_feedback",
    "judge",
    "move_cycle",
    "non_inferiority",
    "open_loops",
    "payload_id",
    "pebbles",
    "read_loop_state",
    "review_feedback",
    "review_label",
    "split_of_digest",
    "train_champion",
    "upgrade",
]

_SMALL = ("data.train=300", "data.val=100", "data.test=200", "gate.floor=0.3")
SMALL_PLANS = {
    "coffee": (*_SMALL, "evaluate.images=0"),
    "cora": _SMALL,
    "lucky": (),
    "sentiment": (*_SMALL, "data.val=60", "data.test=100", "train.epochs=2"),
}
"""Overrides with which a recipe trains in seconds, on examples that it generates."""
