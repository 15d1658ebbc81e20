"""Composition root of commands and trainer: settings in, the parts over one workspace out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.adapters.clock import SystemClock
from tidemill.adapters.onnx import OnnxRuntime
from tidemill.adapters.sql.ledger import SqlLedger
from tidemill.adapters.sql.upgrade import upgrade
from tidemill.adapters.traffic import TrafficFiles
from tidemill.bundle import BundleStore
from tidemill.data.snapshots import SnapshotStore
from tidemill.domain.errors import NotFound, Unavailable
from tidemill.domain.ports import Clock, Ledger
from tidemill.domain.types import ModelVersion
from tidemill.predictor import Predictor
from tidemill.settings import Settings
from tidemill.staging import sweep

if TYPE_CHECKING:
    from tidemill.learn.trainer import Build, Train

LEDGER = "ledger.sqlite"


@dataclass(frozen=True, slots=True)
class Workshop:
    """The parts over one workspace.

    `actor` is who stands in the events; in `scratch` lies what a training needs on disk while it
    runs, and nothing else.
    """

    home: Path
    samples: Path
    actor: str
    clock: Clock
    ledger: Ledger
    scratch: Path
    snapshots: SnapshotStore
    bundles: BundleStore
    traffic: TrafficFiles

    def predictor(self, version: ModelVersion) -> Predictor:
        """The registered version, verified and loaded. Raises NotFound, Corrupt."""
        bundle = self.bundles.open(version.bundle)
        return Predictor(bundle, OnnxRuntime(bundle.model, threads=os.cpu_count() or 1))

    def champion(self) -> ModelVersion:
        """The version that is served. Raises NotFound when there is none."""
        with self.ledger.begin(write=False) as unit:
            alias = unit.alias("champion")
            if alias is None:
                raise NotFound(
                    "There is no champion yet.",
                    hint="`tidemill models promote VERSION` makes one.",
                )
            return unit.get(ModelVersion, alias.version)


def open_workshop(settings: Settings, *, create: bool = False) -> Workshop:
    """The workspace in `settings.home`.

    With `create` it is made, its ledger is brought up to date, and what killed writers left in it
    is removed; without, opening changes nothing. Raises Unavailable when there is none,
    StorageFailed when it cannot be written, Corrupt when its ledger is damaged.
    """
    clock = SystemClock()
    samples = settings.samples or settings.home / "samples"
    snapshots, bundles = settings.home / "snapshots", settings.home / "bundles"
    scratch = settings.home / "scratch"
    if create:
        upgrade(settings.home / LEDGER)
        for folder in (snapshots, bundles, samples, scratch):
            sweep(folder)
    ledger = SqlLedger.existing(settings.home / LEDGER, clock)
    return Workshop(
        home=settings.home,
        samples=samples,
        actor=settings.actor,
        clock=clock,
        ledger=ledger,
        scratch=scratch,
        snapshots=SnapshotStore(snapshots),
        bundles=BundleStore(bundles),
        traffic=TrafficFiles(settings.home / "traffic"),
    )


@dataclass(frozen=True, slots=True)
class Trainer:
    """What loads torch: the builder of a recipe's network, and the training itself."""

    build: Build
    train: Train


def open_trainer(recipe: str) -> Trainer:
    """The trainer of a recipe. Call it before reading data, so that a missing part is said first.

    Raises Unavailable, naming the command that installs it, when the extra is missing.
    """
    # OpenMP's threads spin while they wait for one another, by default for milliseconds: beside
    # any other work a training then takes several times as long. Spinning briefly is faster than
    # that and than not at all, and the weights are the same. It is read when torch loads.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        from tidemill.learn.trainer import train

        (point,) = entry_points(group="tidemill.networks", name=recipe)
        build: Any = point.load()
    except ImportError as error:
        raise Unavailable(
            f"Training needs {error.name}, which is not installed.",
            hint="pip install 'tidemill[train]'",
        ) from error
    except ValueError as error:
        raise Unavailable(
            f"The recipe {recipe} has no network.",
            hint="Its package must name one entry point in the group tidemill.networks.",
        ) from error
    return Trainer(build, train)
