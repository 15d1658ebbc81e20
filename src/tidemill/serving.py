"""Composition root of the server process: settings in, the parts a server is made of out.

Nothing here or below it loads torch, scipy, pyarrow, Hydra or Alembic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from uuid_utils import uuid7

from tidemill.adapters.clock import SystemClock
from tidemill.adapters.onnx import OnnxRuntime
from tidemill.adapters.sql.ledger import SqlLedger
from tidemill.adapters.traffic import SqliteTraffic
from tidemill.bundle import BundleStore
from tidemill.domain.errors import Unavailable
from tidemill.domain.ports import Clock, Ledger, TrafficLog
from tidemill.domain.types import ModelVersion
from tidemill.predictor import Predictor
from tidemill.settings import Settings


@dataclass(frozen=True, slots=True)
class Serving:
    """What one server process works with. `load` opens a registered version, verified."""

    recipe: str
    server: str
    settings: Settings
    ledger: Ledger
    traffic: TrafficLog
    clock: Clock
    load: Callable[[ModelVersion], Predictor]

    def close(self) -> None:
        self.traffic.close()
        self.ledger.close()


def open_serving(settings: Settings) -> Serving:
    """The parts over the workspace in `settings.home`.

    Raises Unavailable when nothing was ever trained there: the ledger says which recipe to serve.
    """
    clock = SystemClock()
    ledger = SqlLedger.existing(settings.home / "ledger.sqlite", clock)
    with ledger.begin(write=False) as unit:
        versions = unit.latest(ModelVersion, limit=1)
    if not versions:
        ledger.close()
        raise Unavailable(
            f"No model is registered in {settings.home}.", hint="Train one: tidemill train coffee"
        )
    server = str(uuid7())
    bundles = BundleStore(settings.home / "bundles")

    def load(version: ModelVersion) -> Predictor:
        bundle = bundles.open(version.bundle)
        return Predictor(bundle, OnnxRuntime(bundle.model, threads=settings.threads))

    return Serving(
        recipe=versions[0].recipe,
        server=server,
        settings=settings,
        ledger=ledger,
        traffic=SqliteTraffic(
            settings.home / "traffic",
            server,
            durability=settings.durability,
            max_mb=settings.traffic_max_mb,
        ),
        clock=clock,
        load=load,
    )
