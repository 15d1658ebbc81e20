"""The names of the project that cases use, all in this file; those of torch are beside it.

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
from tidemill.bundle import BundleStore
from tidemill.codecs.codec import Fingerprint
from tidemill.codecs.columns import UNKNOWN, row_to_json
from tidemill.codecs.table import TableCodec
from tidemill.codecs.text import TextCodec
from tidemill.data.checks import Finding, find_faults
from tidemill.data.inspection import InspectedExample, Inspection, inspect
from tidemill.data.payloads import CellColumns
from tidemill.data.policy import apply_policy
from tidemill.data.row_files import open_rows
from tidemill.data.row_source import LabelColumn, Part, RowSource
from tidemill.data.splits import assign_splits
from tidemill.data.splits import hash_split as split_of_digest_alone
from tidemill.data.splits import joining_split as split_of_digest
from tidemill.domain.cycle import Cycle
from tidemill.domain.errors import DataError, DataRefused, LeaseLost, TidemillError
from tidemill.domain.events import AliasMoved, RunFinished, VerdictRecorded, VersionRegistered
from tidemill.domain.feedback import Feedback
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import Alias, Check, Example, ModelVersion, Run, Verdict, payload_id
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
from tidemill.testing.tiny_recipe.entry_points import PLUGINS
from tidemill.testing.tiny_recipe.pebbles import STONES, TARGET, flip_half, pebbles
from tidemill.workspace.planning import plan as plan_experiment
from tidemill.workspace.state import loop_state as read_loop_state

__all__ = [
    "ANONYMOUS",
    "NOTES_ENTRY_POINTS",
    "NOTES_RECIPE",
    "PLUGINS",
    "SMALL_PLANS",
    "STONES",
    "TARGET",
    "UNKNOWN",
    "Alias",
    "AliasMoved",
    "BundleStore",
    "CellColumns",
    "Check",
    "Cycle",
    "DataError",
    "DataRefused",
    "DriftPolicy",
    "Evidence",
    "Example",
    "Feedback",
    "FeedbackPolicy",
    "Finding",
    "Fingerprint",
    "FixedClock",
    "GatePolicy",
    "InProcessLoop",
    "InspectedExample",
    "Inspection",
    "LabelColumn",
    "LeaseLost",
    "LocalJobs",
    "LoopState",
    "MemoryLedger",
    "ModelVersion",
    "OpenLoop",
    "Outcomes",
    "Part",
    "Pebble",
    "RowSource",
    "Run",
    "RunFinished",
    "ServerProcess",
    "SqlLedger",
    "StartTraining",
    "SystemClock",
    "TableCodec",
    "TargetEvidence",
    "TextCodec",
    "TidemillError",
    "TriggerPolicy",
    "UnitOfWork",
    "Verdict",
    "VerdictRecorded",
    "VersionRegistered",
    "Wait",
    "apply_policy",
    "argv",
    "assign_splits",
    "begin_cycle",
    "check_drift",
    "decide_step",
    "find_faults",
    "flip_half",
    "give_feedback",
    "inspect",
    "judge",
    "move_cycle",
    "non_inferiority",
    "open_loops",
    "open_rows",
    "payload_id",
    "pebbles",
    "plan_experiment",
    "read_loop_state",
    "review_feedback",
    "review_label",
    "row_to_json",
    "split_of_digest",
    "split_of_digest_alone",
    "train_champion",
    "upgrade",
]

_SMALL = ("data.train=300", "data.val=100", "data.test=200", "gate.floor=0.3")
SMALL_PLANS = {
    "coffee": (*_SMALL, "evaluate.images=0"),
    "cora": _SMALL,
    "lucky": ("data.val=200", "data.test=400"),
    "sentiment": (*_SMALL, "data.val=60", "data.test=100", "train.epochs=2"),
}
"""Overrides with which a recipe trains in seconds, on examples that it generates."""

NOTES_RECIPE = """
from dataclasses import replace
from tidemill.recipes.sentiment.recipe import Sentiment

class Source:
    name = "notes"
    def __init__(self, source):
        self.source = source
    def prepare(self, progress):
        pass
    def __len__(self):
        return len(self.source)
    def examples(self):
        for at, row in enumerate(self.source.examples()):
            yield replace(row, labels={} if at % 40 == 0 else row.labels)

class Notes(Sentiment):
    name = "notes"
    def source(self, config, samples):
        return Source(super().source(config, samples))
"""
"""A recipe from outside in whose texts one in forty has no label."""
NOTES_ENTRY_POINTS = """
[tidemill.recipes]
notes = notes:Notes
[tidemill.networks]
notes = tidemill.learn.text_network:build
"""
