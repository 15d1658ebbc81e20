"""The read routes: the state of the server, predictions, and what the ledger knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Query, Request, Response

from tidemill import __version__
from tidemill.domain.cycle import Cycle
from tidemill.domain.events import EventKind, RecordedEvent
from tidemill.domain.feedback import FeedbackStatus
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import (
    Alias,
    AliasName,
    ModelVersion,
    Run,
    Verdict,
)
from tidemill.loop.feedback import listed
from tidemill.loop.lineage import Lineage, find_prediction, trace
from tidemill.loop.why import find_causes
from tidemill.loop.window import open_profiles
from tidemill.serving import ServerParts
from tidemill.web.caller import caller_of
from tidemill.web.feedback import without_client
from tidemill.web.fields import ShortText
from tidemill.web.read_bodies import (
    CausesBody,
    CycleBody,
    CyclesBody,
    DriftBody,
    EventsBody,
    FeedbackBody,
    InfoBody,
    LiveBody,
    PredictionBody,
    ReadyBody,
    VersionBody,
    VersionsBody,
)
from tidemill.web.readiness import Readiness
from tidemill.web.reply import json_response
from tidemill.web.slots import Slot, Slots

Limit = Annotated[int, Query(ge=1, le=1000, description="How many, newest first.")]
FeedbackLimit = Annotated[int, Query(ge=1, le=1000, description="How many.")]
StatusFilter = Annotated[
    FeedbackStatus | None,
    Query(description="Only this status, oldest first: the order of the review."),
]
KindFilter = Annotated[
    Sequence[EventKind], Query(description="Only these kinds; give it again for each.")
]
Before = Annotated[
    str | None,
    Query(
        pattern="^[0-9a-f-]{36}$",
        description="Only events older than the one with this id: the next page.",
    ),
]
ActorFilter = Annotated[ShortText | None, Query(description="Only of this actor, oldest first.")]
After = Annotated[
    ShortText | None,
    Query(description="Only what came after the label with this id, oldest first: the next page."),
]


def build_server_routes(parts: ServerParts, slots: Slots, readiness: Readiness) -> APIRouter:
    """Return the routes about the server itself."""
    router = APIRouter(tags=["operation"])

    @router.get("/v1/live", summary="Is the process alive?", response_model=LiveBody)
    async def live() -> Response:
        return json_response({"live": True})

    @router.get(
        "/v1/ready",
        summary="Does the server serve a model that passed its golden check?",
        response_model=ReadyBody,
    )
    async def ready() -> Response:
        version = readiness.require().version.id
        return json_response({"ready": True, "version": version, "fault": slots.state.fault})

    @router.get("/v1/info", summary="What runs here?", response_model=InfoBody)
    async def info() -> Response:
        return json_response(_info(parts, slots))

    return router


def build_ledger_routes(parts: ServerParts) -> APIRouter:
    """Return the routes about predictions, versions and events."""
    router = APIRouter()

    @router.get(
        "/v1/predictions/{id}",
        tags=["predict"],
        summary="Show a prediction and its lineage.",
        response_model=PredictionBody,
        responses={202: {"model": PredictionBody, "description": "Only the traffic log has it."}},
    )
    def prediction(id: str) -> Response:
        with parts.ledger.begin(write=False) as unit:
            record, drained = find_prediction(unit, parts.traffic, id)
            # 202: so far only the traffic log has it.
            body = _prediction_body(trace(unit, record))
            return json_response(body, status=200 if drained else 202)

    @router.get(
        "/v1/why/{id}",
        tags=["ledger"],
        summary="Why a version, cycle or answer came.",
        response_model=CausesBody,
    )
    def why(id: str) -> Response:
        with parts.ledger.begin(write=False) as unit:
            return json_response({"causes": find_causes(unit, parts.traffic, id)})

    @router.get(
        "/v1/models",
        tags=["ledger"],
        summary="List the versions, newest first.",
        response_model=VersionsBody,
    )
    def models(limit: Limit = 100) -> Response:
        with parts.ledger.begin(write=False) as unit:
            versions = unit.latest(ModelVersion, limit=limit)
            return json_response({"models": _version_rows(versions, unit)})

    @router.get(
        "/v1/models/{id}",
        tags=["ledger"],
        summary="Show one version and its verdict.",
        response_model=VersionBody,
    )
    def model(id: str) -> Response:
        with parts.ledger.begin(write=False) as unit:
            return json_response(_version_rows([unit.get(ModelVersion, id)], unit)[0])

    @router.get(
        "/v1/events",
        tags=["ledger"],
        summary="Who did what, to what, and why.",
        response_model=EventsBody,
        responses={404: {}},
    )
    def events(
        request: Request, kind: KindFilter = (), before: Before = None, limit: Limit = 100
    ) -> Response:
        with parts.ledger.begin(write=False) as unit:
            rows = unit.events(kinds=kind, before=before, limit=limit)
        if not caller_of(request.scope).may("review"):
            rows = [_without_addresses(row) for row in rows]
        return json_response({"events": rows})

    return router


def build_loop_routes(parts: ServerParts) -> APIRouter:
    """Return the routes about feedback, drift and cycles."""
    router = APIRouter(tags=["loop"])

    @router.get(
        "/v1/feedback",
        summary="List feedback and its status, newest first.",
        response_model=FeedbackBody,
        responses={404: {}},
    )
    def feedback(
        request: Request,
        status: StatusFilter = None,
        actor: ActorFilter = None,
        after: After = None,
        limit: FeedbackLimit = 100,
    ) -> Response:
        with parts.ledger.begin(write=False) as unit:
            rows = listed(unit, status, actor=actor, after=after, limit=limit)
        if not caller_of(request.scope).may("review"):
            rows = [without_client(row) for row in rows]
        return json_response({"feedback": rows})

    @router.get(
        "/v1/drift",
        summary="Show how far the champion's traffic is from its reference.",
        response_model=DriftBody,
    )
    def drift(limit: Limit = 100) -> Response:
        with parts.ledger.begin(write=False) as unit:
            return json_response(_drift_body(unit, limit))

    @router.get(
        "/v1/cycles",
        summary="List the cycles of the loop, newest first.",
        response_model=CyclesBody,
    )
    def cycles(limit: Limit = 100) -> Response:
        with parts.ledger.begin(write=False) as unit:
            return json_response({"cycles": unit.latest(Cycle, limit=limit)})

    @router.get(
        "/v1/cycles/{id}", summary="Show one cycle and its events.", response_model=CycleBody
    )
    def cycle(id: str) -> Response:
        with parts.ledger.begin(write=False) as unit:
            record = unit.get(Cycle, id)
            events = [_without_addresses(event) for event in unit.events(subject=id)]
            return json_response(asdict(record) | {"events": events})

    return router


def _without_addresses(event: RecordedEvent) -> RecordedEvent:
    """Return the event as anybody may see it: addresses are for reviewers."""
    detail = {name: value for name, value in event.detail.items() if name != "address"}
    if "refusals" in detail:
        detail["refusals"] = [{**row, "address": ""} for row in detail["refusals"]]
    return replace(event, detail=detail)


def _info(parts: ServerParts, slots: Slots) -> dict[str, Any]:
    state = slots.state
    bundle = state.champion.predictor.bundle if state.champion else None
    return {
        "tidemill": __version__,
        "recipe": parts.recipe,
        "server": parts.server,
        "champion": _version_id(state.champion),
        "previous": _version_id(state.previous),
        "bundle": bundle.id if bundle else None,
        "codec": bundle.codec.kind if bundle else None,
        "classes": dict(bundle.classes) if bundle else {},
        "fault": state.fault,
        "durability": parts.settings.durability,
    }


def _version_id(slot: Slot | None) -> str | None:
    return slot.version.id if slot else None


def _prediction_body(lineage: Lineage) -> dict[str, Any]:
    prediction, version, run = lineage.prediction, lineage.version, lineage.run
    return {
        "id": prediction.id,
        "at": prediction.at,
        "server": prediction.server,
        "sequence": prediction.sequence,
        "version": prediction.version,
        "kind": prediction.kind,
        "example": lineage.example,
        "request_id": prediction.request_id,
        "traceparent": prediction.traceparent,
        "answers": prediction.answers,
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


def _version_rows(versions: Sequence[ModelVersion], unit: UnitOfWork) -> list[dict[str, Any]]:
    aliases = [alias for name in get_args(AliasName) if (alias := unit.alias(name))]
    return [
        _version_row(version, unit.get(Run, version.run), aliases, unit.verdicts(version.id))
        for version in versions
    ]


def _version_row(
    version: ModelVersion, run: Run, aliases: Sequence[Alias], verdicts: Sequence[Verdict]
) -> dict[str, Any]:
    return {
        **asdict(version),
        "aliases": [alias.name for alias in aliases if alias.version == version.id],
        "training": run,
        "verdicts": verdicts,
    }


def _drift_body(unit: UnitOfWork, limit: int) -> dict[str, Any]:
    """Return the drift state of the ledger alone, because the engine judges drift."""
    champion = unit.alias("champion")
    if champion is None:
        return {"version": None, "unjudged": 0, "policy": {}, "verdicts": []}
    run = unit.get(Run, unit.get(ModelVersion, champion.version).run)
    return {
        "version": champion.version,
        "unjudged": sum(profile.n for profile in open_profiles(unit, champion)),
        "policy": run.config.get("drift", {}),
        "verdicts": unit.drift_verdicts(champion.version, limit=limit),
    }
