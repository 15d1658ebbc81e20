"""The lineage of a prediction of this workspace, by its id."""

from __future__ import annotations

from tidemill.loop import lineage
from tidemill.loop.lineage import Lineage
from tidemill.workspace.root import Workspace


def trace(workspace: Workspace, prediction: str) -> Lineage:
    """The lineage of a prediction. Raises NotFound, and Corrupt when the ledger lost a part."""
    with workspace.ledger.begin(write=False) as unit:
        record, _ = lineage.find_prediction(unit, workspace.traffic, prediction)
        return lineage.trace(unit, record)
