"""What a server lends to its recipe's routes: answers, an ear, and the ledger's word on drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from fastapi import Request
from starlette.concurrency import run_in_threadpool

from tidemill.domain.drift import Profile
from tidemill.domain.errors import TidemillError
from tidemill.domain.feedback import Feedback
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import Labels, ModelVersion, Run
from tidemill.loop.feedback import ANONYMOUS
from tidemill.loop.window import open_profiles
from tidemill.predictor import Predictor
from tidemill.recipes.routes import Drift, Server
from tidemill.serving import Serving
from tidemill.web.answering import Answerer, is_probe
from tidemill.web.batcher import Batcher
from tidemill.web.errors import Invalid, NotReady
from tidemill.web.hearing import Label, about_payload, champion_of, keep
from tidemill.web.slots import Slots


class Lent(Answerer):
    """The answerer of the server's own route, and what only a recipe's routes ask for."""

    def __init__(self, serving: Serving, slots: Slots, batcher: Batcher) -> None:
        super().__init__(slots, batcher)
        self._serving = serving

    def probing(self, request: Request) -> bool:
        """True when the server asks itself."""
        return is_probe(request.scope)

    async def hear(
        self, request: Request, payload: bytes, labels: Labels, *, actor: str = ANONYMOUS
    ) -> list[Feedback]:
        """Keep a label per target, all or none; the feedback that stands there for each.

        Raises ForeignLabel, Invalid, BadPayload, NotReady and StorageFailed; and TidemillError, a
        500, when a probe asks: the answer of a proof would be taught as the truth.
        """
        if self.probing(request):
            raise TidemillError(
                f"{request.scope['path']} gives feedback, so no probe may ask it.",
                hint="Name it in the `silent` of the recipe's routes instead.",
            )
        return await run_in_threadpool(self._hear, payload, labels, actor)

    def _hear(self, payload: bytes, labels: Labels, actor: str) -> list[Feedback]:
        if not labels:
            raise Invalid("Feedback needs a label.")
        champion = champion_of(self._slots.view)
        meant = [
            about_payload(champion, payload, Label(target, label, actor))
            for target, label in labels.items()
        ]
        return [item for item, _ in keep(self._serving, meant)]

    def drift(self, *, limit: int) -> Drift:
        """The state of the champion's traffic, as the ledger has it. Raises NotReady."""
        with self._serving.ledger.begin(write=False) as unit:
            champion = unit.alias("champion")
            if champion is None:
                raise NotReady("No version is champion.")
            slot = self._slots.view.champion
            if slot is None or slot.version.id != champion.version:
                raise NotReady(
                    f"This server does not serve {champion.version} yet.",
                    hint="GET /v1/ready says why.",
                )
            waiting = open_profiles(unit, champion)
            return Drift(
                version=champion.version,
                served=unit.served(champion.version),
                open=sum(profile.n for profile in waiting),
                needed=_needed(unit, slot.version),
                labels=_labels(slot.predictor, waiting),
                verdicts=tuple(unit.drift_verdicts(champion.version, limit=limit)),
            )


def _needed(unit: UnitOfWork, version: ModelVersion) -> int | None:
    """What the champion's experiment says that a check needs.

    An engine may have been started with another number, and an older experiment names none.
    """
    minimum = unit.get(Run, version.run).config.get("drift", {}).get("minimum")
    return minimum if isinstance(minimum, int) else None


def _labels(predictor: Predictor, waiting: Sequence[Profile]) -> Mapping[str, Mapping[str, int]]:
    """How often each label was answered, per target. Raises DataError for foreign counts."""
    reference = predictor.bundle.reference
    rows = [profile.counts for profile in waiting] or [(0,) * sum(reference.sizes)]
    parts = reference.split(np.array(rows, np.int64).sum(axis=0))
    return {
        target: dict(zip(names, parts[f"prediction.{target}"].tolist(), strict=True))
        for target, names in reference.view.labels.items()
    }


def _proof(lent: Lent) -> Server:
    """Lets mypy prove that this meets the contract."""
    return lent
