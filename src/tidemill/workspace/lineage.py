"""A prediction of this workspace and where it came from, found by the prediction's id."""

from __future__ import annotations

from tidemill.domain.errors import NotFound
from tidemill.loop import lineage
from tidemill.loop.lineage import Lineage
from tidemill.workspace.root import Workspace


def trace(workspace: Workspace, prediction: str) -> Lineage:
    """The lineage of a prediction. Raises NotFound, and Corrupt when the ledger lost a part."""
    with workspace.ledger.begin(write=False) as unit:
        found = unit.prediction(prediction) or workspace.traffic.find(prediction)
        if found is None:
            raise NotFound(
                f"No prediction {prediction} was given in {workspace.home}.",
                hint="Every answer of /v1/predict carries its id.",
            )
        return lineage.trace(unit, found)
