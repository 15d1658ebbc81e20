"""From a prediction back to the version, the run and the data that it came from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tidemill.domain.errors import Corrupt, NotFound
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import ModelVersion, Prediction, Run, Snapshot


@dataclass(frozen=True, slots=True)
class Lineage:
    """One prediction and all that it came from."""

    prediction: Prediction
    version: ModelVersion
    run: Run
    snapshot: Snapshot

    @property
    def example(self) -> str:
        """The id of the payload; empty for a golden request, whose payload is not logged."""
        return self.prediction.example

    def to_json(self) -> dict[str, Any]:
        """Plain values; the payload is named by its example id."""
        prediction = asdict(self.prediction)
        del prediction["payload"], prediction["bins"], prediction["remarks"]
        return {
            "prediction": prediction,
            "version": asdict(self.version),
            "run": asdict(self.run),
            "snapshot": asdict(self.snapshot),
        }


def trace(unit: UnitOfWork, prediction: Prediction) -> Lineage:
    """The lineage of a prediction that was given.

    Raises Corrupt, not NotFound, when the ledger does not know it all: the prediction is there.
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
