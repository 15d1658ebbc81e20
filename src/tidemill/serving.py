"""Composition root of the server process: builds the parts of a server from its settings.

This module and its imports load no torch, scipy, pyarrow, Hydra or Alembic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from uuid_utils import uuid7

from tidemill.adapters.blobs import FileBlobs
from tidemill.adapters.clock import SystemClock
from tidemill.adapters.onnx import OnnxRuntime, require_providers
from tidemill.adapters.sql.ledger import SqlLedger
from tidemill.adapters.traffic import SqliteTraffic
from tidemill.bundle import BundleStore
from tidemill.domain.errors import Unavailable
from tidemill.domain.ledger import Ledger
from tidemill.domain.ports import Blobs, Clock, TrafficLog
from tidemill.domain.types import ModelVersion
from tidemill.plugins import find_plugins, plugin_names
from tidemill.predictor import Predictor
from tidemill.recipes.routes import RoutesFactory
from tidemill.settings import Settings

ROUTES = "tidemill.routes"
"""The group of the entry points of recipes' own routes."""


@dataclass(frozen=True, slots=True)
class ServerParts:
    """The parts of one server process. `load` opens and verifies a registered version."""

    recipe: str
    server: str
    settings: Settings
    ledger: Ledger
    traffic: TrafficLog
    blobs: Blobs
    clock: Clock
    load: Callable[[ModelVersion], Predictor]

    def close(self) -> None:
        self.traffic.close()
        self.ledger.close()


def open_parts(settings: Settings) -> tuple[ServerParts, RoutesFactory]:
    """Open the workspace in `settings.home`; return the parts and the recipe's own routes.

    Raises Unavailable when the workspace has no version (the ledger names the recipe) or the
    recipe is not installed, UsageError for unknown execution providers, and StorageFailed. A failed
    start leaves no file behind.
    """
    require_providers(settings.providers)
    clock = SystemClock()
    ledger = SqlLedger.existing(settings.home / "ledger.sqlite", clock)
    try:
        recipe = _recipe(ledger, settings.home)
        routes = load_routes(recipe)
        server = str(uuid7())
        # Last, because it creates a file: repeated failed starts must not leave files.
        traffic = SqliteTraffic(
            settings.home / "traffic",
            server,
            durability=settings.durability,
            max_mb=settings.traffic_max_mb,
        )
    except BaseException:
        ledger.close()
        raise
    bundles = BundleStore(settings.home / "bundles")
    blobs = FileBlobs(settings.home / "blobs")

    def load(version: ModelVersion) -> Predictor:
        bundle = bundles.open(version.bundle)
        runtime = OnnxRuntime(bundle.model, threads=settings.threads, providers=settings.providers)
        return Predictor(bundle.without_model(), runtime)

    return ServerParts(recipe, server, settings, ledger, traffic, blobs, clock, load), routes


def load_routes(recipe: str) -> RoutesFactory:
    """Return the factory of a recipe's own routes. Raises Unavailable when it is not installed."""
    points = find_plugins(ROUTES, recipe)
    if not points:
        raise Unavailable(
            f"The routes of recipe {recipe!r} are not installed.",
            hint=f"Install its package. Installed are: {', '.join(plugin_names(ROUTES))}.",
        )
    build: RoutesFactory = points[-1].load()
    return build


def _recipe(ledger: Ledger, home: Path) -> str:
    with ledger.begin(write=False) as unit:
        versions = unit.latest(ModelVersion, limit=1)
    if not versions:
        raise Unavailable(
            f"No model is registered in {home}.", hint="Train one: tidemill train coffee"
        )
    return versions[0].recipe
