"""The names of the project that cases use, all in this file.

A case says what it tries; this file says what that is called. When a name of the project moves,
it moves here.
"""

from __future__ import annotations

from pebble.codec import Pebble
from pebble.stones import STONES, TARGET, pebbles
from tests.circle import Begin, Circle, champion, circles, flipped
from tidemill.cli.process import argv
from tidemill.data.splits import by_hash_joined as split_of_digest
from tidemill.domain.errors import TidemillError
from tidemill.domain.feedback import Feedback
from tidemill.domain.types import Check, Example, ModelVersion, Verdict, payload_id
from tidemill.loop.drift import DriftPolicy
from tidemill.loop.drift import check as check_drift
from tidemill.loop.evidence import Evidence, TargetEvidence
from tidemill.loop.evidence import Marks as Outcomes
from tidemill.loop.feedback import ANONYMOUS, FeedbackPolicy
from tidemill.loop.feedback import decide as review_label
from tidemill.loop.gate import GatePolicy, judge, non_inferiority
from tidemill.workshop.promotion import promote, rollback

__all__ = [
    "ANONYMOUS",
    "SMALL_PLANS",
    "STONES",
    "TARGET",
    "Begin",
    "Check",
    "Circle",
    "DriftPolicy",
    "Evidence",
    "Example",
    "Feedback",
    "FeedbackPolicy",
    "GatePolicy",
    "ModelVersion",
    "Outcomes",
    "Pebble",
    "TargetEvidence",
    "TidemillError",
    "Verdict",
    "argv",
    "champion",
    "check_drift",
    "circles",
    "flipped",
    "judge",
    "non_inferiority",
    "payload_id",
    "pebbles",
    "promote",
    "review_label",
    "rollback",
    "split_of_digest",
]

_SMALL = ("data.train=300", "data.val=100", "data.anchor=200", "gate.floor=0.3")
SMALL_PLANS = {
    "coffee": (*_SMALL, "evaluate.pictures=0"),
    "cora": _SMALL,
    "lucky": (),
    "sentiment": (*_SMALL, "data.val=60", "data.anchor=100", "train.epochs=2"),
}
"""Overrides with which a recipe trains in seconds, on examples that it generates."""
