"""From a prediction back to the data, the configuration and the code that made it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tidemill.domain.errors import NotFound
from tidemill.domain.types import ModelVersion, Prediction, Run, Snapshot, payload_id
from tidemill.workshop.root import Workshop


@dataclass(frozen=True, slots=True)
class Lineage:
    """One prediction and all that it came from."""

    prediction: Prediction
    version: ModelVersion
    run: Run
    snapshot: Snapshot

    def to_json(self) -> dict[str, Any]:
        """Plain values; the payload is named by its example id."""
        prediction = asdict(self.prediction)
        prediction["example"] = payload_id(prediction.pop("payload"))
        return {
            "prediction": prediction,
            "version": asdict(self.version),
            "run": asdict(self.run),
            "snapshot": asdict(self.snapshot),
        }


def trace(workshop: Workshop, prediction: str) -> Lineage:
    """The lineage of a prediction. Raises NotFound."""
    found = workshop.traffic.find(prediction)
    if found is None:
        raise NotFound(f"No prediction {prediction} was given in {workshop.home}.")
    with workshop.ledger.begin(write=False) as unit:
        version = unit.get(ModelVersion, found.version)
        return Lineage(
            found, version, unit.get(Run, version.run), unit.get(Snapshot, version.snapshot)
        )
