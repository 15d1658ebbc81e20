"""Record trainings and their data in the caller's unit of work."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from uuid_utils import uuid7

from tidemill import provenance
from tidemill.domain.errors import NotFound
from tidemill.domain.events import RunStarted, SnapshotTaken
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import Run, Snapshot


def new_run(recipe: str, tree: Mapping[str, Any], snapshot: str, at: datetime) -> Run:
    """Return a new training run with the code and the environment of this process."""
    return Run(
        id=str(uuid7()),
        recipe=recipe,
        snapshot=snapshot,
        seed=tree["seed"],
        config=tree,
        code=provenance.code(Path.cwd()),
        environment=provenance.environment(),
        at=at,
    )


def start_run(unit: UnitOfWork, run: Run, *, actor: str, reason: str) -> None:
    """Record the start of a run."""
    started = RunStarted(
        actor=actor, subject=run.id, reason=reason, snapshot=run.snapshot, seed=run.seed
    )
    unit.add(run, started)


def record_snapshot(unit: UnitOfWork, snapshot: Snapshot, actor: str) -> None:
    """Record a snapshot, unless it is known: equal ids mean equal content."""
    try:
        unit.get(Snapshot, snapshot.id)
    except NotFound:
        unit.add(snapshot, SnapshotTaken(actor=actor, subject=snapshot.id, rows=snapshot.rows))
