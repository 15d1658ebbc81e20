"""The reading routes: how the server is, what it answered, and what the ledger knows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from tidemill import __version__
from tidemill.domain.errors import NotFound
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.ports import TrafficLog
from tidemill.domain.types import (
    Alias,
    AliasName,
    ModelVersion,
    Prediction,
    Verdict,
)
from tidemill.loop.lineage import Lineage, trace
from tidemill.serving import Serving
from tidemill.web.errors import NotReady
from tidemill.web.reply import reply
from tidemill.web.slots import Slot, Slots

ALIASES: tuple[AliasName, ...] = ("champion", "challenger", "previous")
PREDICTION_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Limit = Annotated[int, Query(ge=1, le=1000, description="How many, newest first.")]


def build(serving: Serving, slots: Slots) -> APIRouter:
    """The routes over the parts of one server."""
    router = APIRouter()

    @router.get("/v1/live", tags=["operation"], summary="Is the process alive?")
    async def live() -> Response:
        return reply({"live": True})

    @router.get("/v1/ready", tags=["operation"], summary="Is a proved model being served?")
    async def ready() -> Response:
        view = slots.view
        if view.champion is None:
            raise NotReady(view.fault)
        return reply({"ready": True, "version": view.champion.version.id, "fault": view.fault})

    @router.get("/v1/info", tags=["operation"], summary="What runs here?")
    async def info() -> Response:
        return reply(_info(serving, slots))

    @router.get(
        "/v1/predictions/{id}",
        tags=["predict"],
        status_code=202,
        summary="An answer that was given, and what it came from.",
    )
    def prediction(id: str) -> Response:
        with serving.ledger.begin(write=False) as unit:
            found, drained = find_prediction(unit, serving.traffic, id)
            # 202: so far it is in the traffic log alone.
            return reply(_prediction(trace(unit, found)), status=200 if drained else 202)

    @router.get("/v1/models", tags=["ledger"], summary="The registered versions, newest first.")
    def models(limit: Limit = 100) -> Response:
        with serving.ledger.begin(write=False) as unit:
            versions = unit.latest(ModelVersion, limit=limit)
            return reply({"models": _models(versions, unit)})

    @router.get("/v1/models/{id}", tags=["ledger"], summary="One version and its verdict.")
    def model(id: str) -> Response:
        with serving.ledger.begin(write=False) as unit:
            return reply(_models([unit.get(ModelVersion, id)], unit)[0])

    @router.get("/v1/events", tags=["ledger"], summary="Who did what, to what, and why.")
    def events(limit: Limit = 100) -> Response:
        with serving.ledger.begin(write=False) as unit:
            return reply({"events": unit.events(limit=limit)})

    return router


def find_prediction(unit: UnitOfWork, traffic: TrafficLog, id: str) -> tuple[Prediction, bool]:
    """A prediction of any server of this workspace, and whether the ledger has it.

    Raises NotFound, and StorageFailed when a log cannot be read.
    """
    if PREDICTION_ID.fullmatch(id):
        if (drained := unit.prediction(id)) is not None:
            return drained, True
        if (logged := traffic.find(id)) is not None:
            return logged, False
    raise NotFound(
        f"No server of this workspace gave the prediction {id!r}.",
        hint="Every answer of /v1/predict carries its id.",
    )


def _info(serving: Serving, slots: Slots) -> dict[str, Any]:
    view = slots.view
    bundle = view.champion.predictor.bundle if view.champion else None
    return {
        "tidemill": __version__,
        "recipe": serving.recipe,
        "server": serving.server,
        "champion": _name(view.champion),
        "previous": _name(view.previous),
        "bundle": bundle.id if bundle else None,
        "classes": dict(bundle.classes) if bundle else {},
        "fault": view.fault,
        "durability": serving.settings.durability,
    }


def _name(slot: Slot | None) -> str | None:
    return slot.version.id if slot else None


def _prediction(traced: Lineage) -> dict[str, Any]:
    found, version, run = traced.prediction, traced.version, traced.run
    return {
        "id": found.id,
        "at": found.at,
        "server": found.server,
        "version": found.version,
        "kind": found.kind,
        "example": traced.example,
        "answers": found.answers,
        "lineage": {
            "version": version.id,
            "bundle": version.bundle,
            "snapshot": version.snapshot,
            "run": run.id,
            "seed": run.seed,
            "code": dict(run.code),
            "config": dict(run.config),
        },
    }


def _models(versions: Sequence[ModelVersion], unit: UnitOfWork) -> list[dict[str, Any]]:
    pointing = [alias for name in ALIASES if (alias := unit.alias(name))]
    return [
        _model(version, pointing, next(iter(unit.verdicts(version.id, limit=1)), None))
        for version in versions
    ]


def _model(
    version: ModelVersion, pointing: Sequence[Alias], verdict: Verdict | None
) -> dict[str, Any]:
    return {
        **asdict(version),
        "aliases": [alias.name for alias in pointing if alias.version == version.id],
        "verdict": verdict,
    }
