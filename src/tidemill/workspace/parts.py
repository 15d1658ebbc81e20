"""The parts of one workspace, which its methods share.

Opening a workspace only reads the settings. The first access opens the ledger, so that an unused
workspace leaves nothing on the disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from tidemill.adapters.blobs import FileBlobs
from tidemill.adapters.clock import SystemClock
from tidemill.adapters.onnx import OnnxRuntime
from tidemill.adapters.processors import available_processors
from tidemill.adapters.sql.ledger import SqlLedger
from tidemill.adapters.sql.upgrade import upgrade
from tidemill.adapters.traffic import TrafficFiles
from tidemill.bundle import Bundle, BundleStore
from tidemill.data.database import Database
from tidemill.data.snapshots import SnapshotStore
from tidemill.domain.errors import Conflict, NotFound, UsageError
from tidemill.domain.ledger import Ledger
from tidemill.domain.ports import Blobs, Clock, TrafficArchive
from tidemill.domain.types import ModelVersion, Snapshot
from tidemill.experiment import Experiment
from tidemill.loop.champion_history import find_champion
from tidemill.predictor import Predictor
from tidemill.recipes.recipe import Recipe, open_recipe
from tidemill.settings import read_settings
from tidemill.staging import remove_abandoned
from tidemill.workspace.planning import plan

LEDGER = "ledger.sqlite"


class WorkspaceParts:
    """The parts of one workspace.

    `actor` is the name in the events. `scratch` holds the temporary files of a running training.
    `feedback_database` is another system's database, if one is set.
    """

    def __init__(
        self,
        home: Path | str | None = None,
        recipe: str | Recipe | None = None,
        *,
        clock: Clock | None = None,
        **settings: object,
    ) -> None:
        """Name the workspace in `home`, by default TIDEMILL_HOME or `.tidemill`.

        `recipe` is a name or a recipe; the default is that of the workspace. Further
        keywords are settings, such as `actor="ada"`; the environment provides the others. Raises
        UsageError for an invalid setting, and for an invalid address of the feedback database.
        """
        self.settings = read_settings(home=home, **settings)
        # Absolute, because a process may change its folder while it has a workspace.
        self.home = self.settings.home.absolute()
        self.samples = (self.settings.samples or self.home / "samples").absolute()
        self.actor = self.settings.actor
        self.clock: Clock = clock or SystemClock()
        self.scratch = self.home / "scratch"
        self.snapshots = SnapshotStore(self.home / "snapshots")
        self.bundles = BundleStore(self.home / "bundles")
        self.traffic: TrafficArchive = TrafficFiles(self.home / "traffic")
        self.blobs: Blobs = FileBlobs(self.home / "blobs")
        address = self.settings.feedback_database
        self.feedback_database = (
            Database(address.get_secret_value(), "feedback") if address else None
        )
        self._recipe = recipe
        self._created = False

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger.

        Raises Unavailable for an empty workspace and for another schema, StorageFailed, and Corrupt
        when the ledger is damaged.
        """
        return SqlLedger.existing(self.home / LEDGER, self.clock)

    @property
    def exists(self) -> bool:
        """True when there is a ledger in the workspace's folder."""
        return (self.home / LEDGER).exists()

    def create_for(self, recipe: str) -> Self:
        """Create the workspace for the data and versions of a recipe.

        Raises Conflict when it belongs to another recipe, and what `create` raises.
        """
        self.create()
        owner = self._latest_recipe()
        if owner not in (None, recipe):
            raise Conflict(
                f"{self.home} belongs to the recipe {owner}, so {recipe} has no place in it.",
                hint="Choose another folder: --home FOLDER, or Workspace(FOLDER).",
            )
        return self

    def create(self) -> Self:
        """Create the workspace, upgrade its ledger, and remove the remains of killed writers.

        Raises StorageFailed when it cannot be written, Corrupt when its ledger is damaged, and
        Unavailable when a newer Tidemill wrote it.
        """
        if not self._created:
            self.upgrade()
            stores = (self.snapshots.root, self.bundles.root)
            for folder in (*stores, self.samples, self.scratch, self.home / "blobs"):
                remove_abandoned(folder)
            self._created = True
        return self

    def upgrade(self) -> None:
        """Create the ledger, or upgrade its schema. Raises what `create` raises."""
        upgrade(self.home / LEDGER)

    def close(self) -> None:
        """Close files and connections; a later call opens them again."""
        ledger: Ledger | None = self.__dict__.pop("ledger", None)
        if ledger is not None:
            ledger.close()

    def __repr__(self) -> str:
        return f"Workspace({str(self.home)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def plan(self, overrides: Sequence[str] = ()) -> tuple[Recipe, Experiment]:
        """Return the recipe and its resolved experiment.

        Raises UsageError for an invalid setting.
        """
        return plan(self.recipe, overrides)

    def experiment(self, *overrides: str) -> dict[str, Any]:
        """Return the recipe's experiment with these overrides, resolved, as plain values.

        Raises UsageError for an invalid setting.
        """
        return self.plan(overrides)[1].tree()

    @property
    def recipe(self) -> Recipe:
        """The recipe. Raises UsageError without a named recipe and without a version."""
        named = self._recipe or self._latest_recipe()
        if named is None:
            raise UsageError(
                f"No recipe is named, and {self.home} belongs to none yet.",
                hint='Name it: Workspace(recipe="coffee").',
            )
        return open_recipe(named) if isinstance(named, str) else named

    def predictor(self, version: ModelVersion) -> Predictor:
        """Return the registered version, verified and loaded. Raises NotFound, Corrupt."""
        return load_predictor(self.bundles.open(version.bundle))

    def champion(self) -> ModelVersion:
        """Return the version that is served. Raises NotFound when there is none."""
        with self.ledger.begin(write=False) as unit:
            champion = find_champion(unit)
        if champion is None:
            raise NotFound(
                "There is no champion yet.",
                hint="`tidemill models promote VERSION` makes one.",
            )
        return champion

    def _latest_recipe(self) -> str | None:
        """Return the recipe of the latest version, else of the latest snapshot."""
        if not self.exists:
            return None
        with self.ledger.begin(write=False) as unit:
            for version in unit.latest(ModelVersion, limit=1):
                return version.recipe
            for snapshot in unit.latest(Snapshot, limit=1):
                return snapshot.recipe
        return None


def load_predictor(bundle: Bundle) -> Predictor:
    """Return the model of a bundle; it may use every processor."""
    runtime = OnnxRuntime(bundle.model, threads=available_processors())
    return Predictor(bundle.without_model(), runtime)
