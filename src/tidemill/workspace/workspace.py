"""A workspace: the folder of one recipe, and all methods on it."""

from __future__ import annotations

from tidemill.workspace.batch import BatchPart
from tidemill.workspace.cycles import CyclePart
from tidemill.workspace.drift import DriftPart
from tidemill.workspace.feedback import FeedbackPart
from tidemill.workspace.history import HistoryPart
from tidemill.workspace.keys import KeyPart
from tidemill.workspace.policies import PolicyPart
from tidemill.workspace.status import StatusPart
from tidemill.workspace.training import TrainingPart


class Workspace(
    TrainingPart,
    BatchPart,
    FeedbackPart,
    DriftPart,
    CyclePart,
    StatusPart,
    PolicyPart,
    HistoryPart,
    KeyPart,
):
    """The folder of one recipe: ledger, snapshots, bundles, traffic logs.

    `Workspace("leaves", "coffee")` names the folder and the recipe; nothing is written before a
    method has something to write. Use it in a `with` block, or call `close`. Every method returns
    a typed value or raises an error of `tidemill.errors`; none prints.
    """
