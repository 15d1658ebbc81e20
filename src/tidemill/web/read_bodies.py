"""The bodies of the read routes, for the OpenAPI document. The routes write them as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from tidemill.domain.cycle import Cycle
from tidemill.domain.drift import DriftVerdict, RequestKind
from tidemill.domain.events import RecordedEvent
from tidemill.domain.feedback import Feedback
from tidemill.domain.types import Answer, ModelVersion, Run, Verdict


class LiveBody(BaseModel):
    """The process is alive."""

    live: bool


class ReadyBody(BaseModel):
    """The served version. `fault` says why the server does not follow the ledger, if so."""

    ready: bool
    version: str
    fault: str


class InfoBody(BaseModel):
    """What runs here. Without a champion, the fields about a model are null or empty."""

    tidemill: str
    recipe: str
    server: str
    champion: str | None
    previous: str | None
    bundle: str | None
    codec: str | None
    classes: dict[str, list[str]]
    fault: str
    durability: str


class LineageBody(BaseModel):
    """Where the model that answered came from."""

    version: str
    bundle: str
    snapshot: str
    run: str
    seed: int
    code: dict[str, Any]
    config: dict[str, Any]


class PredictionBody(BaseModel):
    """One recorded prediction and its lineage."""

    id: str
    at: datetime
    server: str
    sequence: int
    version: str
    kind: RequestKind
    example: str
    answers: list[Answer]
    lineage: LineageBody


class CausesBody(BaseModel):
    """The chain of causes, one sentence each."""

    causes: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionBody(ModelVersion):
    """One version, its aliases, its training and its verdicts."""

    aliases: list[str]
    training: Run
    verdicts: list[Verdict]


class VersionsBody(BaseModel):
    """Versions, newest first."""

    models: list[VersionBody]


class EventsBody(BaseModel):
    """Events, newest first."""

    events: list[RecordedEvent]


class FeedbackBody(BaseModel):
    """Labels and their status."""

    feedback: list[Feedback]


class DriftBody(BaseModel):
    """The champion's traffic. `version` is null without a champion."""

    version: str | None
    unjudged: int
    policy: Mapping[str, Any]
    verdicts: list[DriftVerdict]


class CyclesBody(BaseModel):
    """Cycles, newest first."""

    cycles: list[Cycle]


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleBody(Cycle):
    """One cycle and its events."""

    events: list[RecordedEvent]


class ExplanationBody(BaseModel):
    """The drops of the probability per cell, and the heat image as base64."""

    version: str
    target: str
    label: str
    probability: float
    drops: list[list[float]]
    image: str
