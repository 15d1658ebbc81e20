"""Finds what an id stands for, and says why it is so."""

from __future__ import annotations

import re

from tidemill.domain.cycle import Cycle
from tidemill.domain.errors import NotFound
from tidemill.domain.types import ModelVersion
from tidemill.loop.lineage import find_prediction
from tidemill.loop.why import why_cycle, why_prediction, why_version
from tidemill.workspace.root import Workspace

VERSION = re.compile(r"v\d+")


def why(workspace: Workspace, id: str) -> tuple[str, ...]:
    """The chain of causes of a version, a cycle or a prediction. Raises NotFound."""
    with workspace.ledger.begin(write=False) as unit:
        if VERSION.fullmatch(id):
            return tuple(why_version(unit, unit.get(ModelVersion, id)))
        try:
            return tuple(why_cycle(unit, unit.get(Cycle, id)))
        except NotFound:
            pass
        try:
            prediction, _ = find_prediction(unit, workspace.traffic, id)
        except NotFound as error:
            raise NotFound(
                f"{id!r} is no version, cycle or prediction of {workspace.home}.",
                hint="`tidemill models list` and `tidemill loop status` show the ids.",
            ) from error
        return tuple(why_prediction(unit, prediction))
