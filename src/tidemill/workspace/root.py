"""Composition root of commands and trainer: settings in, the parts over one workspace out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path

from tidemill.adapters.blobs import FileBlobs
from tidemill.adapters.clock import SystemClock
from tidemill.adapters.onnx import OnnxRuntime
from tidemill.adapters.sql.ledger import SqlLedger
from tidemill.adapters.sql.upgrade import upgrade
from tidemill.adapters.traffic import TrafficFiles
from tidemill.adapters.user_rows import UserRows
from tidemill.bundle import BundleStore
from tidemill.data.snapshots import SnapshotStore
from tidemill.domain.errors import NotFound, Unavailable
from tidemill.domain.ledger import Ledger
from tidemill.domain.ports import Blobs, Clock, TrafficArchive
from tidemill.domain.types import ModelVersion
from tidemill.learn.training_result import Trainer
from tidemill.predictor import Predictor
from tidemill.settings import Settings
from tidemill.staging import sweep

LEDGER = "ledger.sqlite"


@dataclass(frozen=True, slots=True)
class Workspace:
    """The parts over one workspace.

    `actor` is who stands in the events; in `scratch` lies what a training needs on disk while it
    runs, and nothing else. `rows` is a database of feedback, where one is named.
    """

    home: Path
    samples: Path
    actor: str
    clock: Clock
    ledger: Ledger
    scratch: Path
    snapshots: SnapshotStore
    bundles: BundleStore
    traffic: TrafficArchive
    blobs: Blobs
    rows: UserRows | None = None

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


def open_workspace(settings: Settings, *, create: bool = False) -> Workspace:
    """The workspace in `settings.home`.

    With `create` it is made, its ledger is brought up to date, and what killed writers left in it
    is removed; without, opening changes nothing. Raises Unavailable when there is none,
    StorageFailed when it cannot be written, Corrupt when its ledger is damaged, UsageError when the
    database of feedback has no address.
    """
    clock = SystemClock()
    samples = settings.samples or settings.home / "samples"
    snapshots, bundles = settings.home / "snapshots", settings.home / "bundles"
    scratch, blobs = settings.home / "scratch", settings.home / "blobs"
    address = settings.feedback_database
    if create:
        upgrade(settings.home / LEDGER)
        for folder in (snapshots, bundles, samples, scratch, blobs):
            sweep(folder)
    ledger = SqlLedger.existing(settings.home / LEDGER, clock)
    return Workspace(
        home=settings.home,
        samples=samples,
        actor=settings.actor,
        clock=clock,
        ledger=ledger,
        scratch=scratch,
        snapshots=SnapshotStore(snapshots),
        bundles=BundleStore(bundles),
        traffic=TrafficFiles(settings.home / "traffic"),
        blobs=FileBlobs(blobs),
        rows=UserRows(address.get_secret_value()) if address else None,
    )


def open_trainer(recipe: str) -> Trainer:
    """The training of a recipe. Call it before reading data, so that a missing part is said first.

    A recipe that brings its own gets that, and torch is loaded only if that does. Raises
    Unavailable when the recipe has no training, or two; when what it names is not there; and,
    naming the command that installs it, when the extra is missing.
    """
    own = entry_points(group="tidemill.trainers", name=recipe)
    networks = entry_points(group="tidemill.networks", name=recipe)
    named = own or networks
    if len(named) != 1:
        many = f"{len(named)} trainings" if named else "no training"
        raise Unavailable(
            f"The recipe {recipe} has {many}.",
            hint="Its package must name one entry point in the group tidemill.networks, or in "
            "tidemill.trainers.",
        )
    (point,) = named
    # OpenMP's threads spin while they wait for one another, by default for milliseconds: beside any
    # other work a training then takes several times as long. Spinning briefly is faster than that
    # and than not at all, and the weights are the same. It is read when torch loads.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        if own:
            training: Trainer = point.load()
            return training
        from tidemill.learn.trainer import train

        return partial(train, point.load())
    except AttributeError as error:
        raise Unavailable(
            f"{point.value}, the training of the recipe {recipe}, cannot be loaded: {error}.",
            hint=f"Its package names it in the group {point.group}.",
        ) from error
    except ImportError as error:
        raise Unavailable(
            f"Training needs {error.name}, which is not installed.",
            hint="pip install 'tidemill[train]'",
        ) from error
