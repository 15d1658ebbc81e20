"""Trace a prediction back to its version, its run and its data."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from tidemill.domain.errors import Corrupt, NotFound
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.ports import TrafficArchive, TrafficLog
from tidemill.domain.types import ModelVersion, Prediction, Run, Snapshot
from tidemill.figures.markup import Markup, build_block, tabulate_facts

PREDICTION_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
"""A UUIDv7. Its time says which traffic log may hold it, so that no other log is opened."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """One prediction with its version, run and snapshot."""

    prediction: Prediction
    version: ModelVersion
    run: Run
    snapshot: Snapshot

    @property
    def example(self) -> str:
        """The id of the payload; empty for a golden request, whose payload is not logged."""
        return self.prediction.example

    def _repr_html_(self) -> str:
        """Return the prediction, and the facts of its version, run and snapshot, for a notebook."""
        facts = {
            "version": f"{self.version.id}, registered {self.version.at:%Y-%m-%d %H:%M} UTC",
            "bundle": self.version.bundle,
            "run": f"{self.run.id}, seed {self.run.seed}",
            "code": str(self.run.code.get("revision") or ""),
            "snapshot": f"{self.snapshot.id}, {self.snapshot.rows} rows",
            "example": self.example,
        }
        prediction = Markup(self.prediction._repr_html_())
        return build_block("Lineage", prediction, tabulate_facts(facts))

    def to_json(self) -> dict[str, Any]:
        """Return plain values; the example id stands for the payload."""
        prediction = asdict(self.prediction)
        del prediction["payload"], prediction["bins"], prediction["remarks"]
        return {
            "prediction": prediction,
            "version": asdict(self.version),
            "run": asdict(self.run),
            "snapshot": asdict(self.snapshot),
        }


def find_prediction(
    unit: UnitOfWork, traffic: TrafficLog | TrafficArchive, id: str
) -> tuple[Prediction, bool]:
    """Find a prediction of this workspace; True when the engine has drained it.

    Looks in the ledger, then in the traffic logs. Raises NotFound, and StorageFailed when a log
    cannot be read.
    """
    if PREDICTION_ID.fullmatch(id):
        if (drained := unit.prediction(id)) is not None:
            return drained, True
        if (logged := traffic.find(id)) is not None:
            return logged, False
    raise NotFound(
        f"This workspace has no prediction {id!r}.",
        hint="Every answer of /v1/predict carries its id.",
    )


def trace(unit: UnitOfWork, prediction: Prediction) -> Lineage:
    """Return the lineage of a prediction.

    Raises Corrupt, not NotFound, when the ledger lacks a part: the prediction itself exists.
    """
    try:
        version = unit.get(ModelVersion, prediction.version)
        run = unit.get(Run, version.run)
        snapshot = unit.get(Snapshot, version.snapshot)
    except NotFound as error:
        raise Corrupt(
            f"The ledger lost where {prediction.version} came from: {error.message}"
        ) from error
    return Lineage(prediction, version, run, snapshot)
