"""What a server lends to its recipe's routes: answers, an ear, its model, the ledger's word."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from fastapi import Request
from starlette.concurrency import run_in_threadpool

from tidemill.bundle import Bundle, Golden
from tidemill.codecs.codec import Codec
from tidemill.domain.drift import Profile
from tidemill.domain.errors import Corrupt, StorageFailed, TidemillError
from tidemill.domain.feedback import Feedback
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import Labels, ModelVersion, Run
from tidemill.loop.feedback import ANONYMOUS
from tidemill.loop.window import open_profiles
from tidemill.predictor import Predictor
from tidemill.recipes.routes import Drift, Server
from tidemill.serving import Serving
from tidemill.web.answerer import Answerer, is_probe
from tidemill.web.batcher import Batcher
from tidemill.web.errors import Forbidden, Invalid, NotReady, Unauthorised
from tidemill.web.feedback_intake import Label, about_payload, champion_of, keep
from tidemill.web.slots import Slot, Slots


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
            slot = self._served(champion.version)
            waiting = open_profiles(unit, champion)
            return Drift(
                version=champion.version,
                served=unit.count_answers(champion.version),
                open=sum(profile.n for profile in waiting),
                needed=_needed(unit, slot.version),
                labels=_labels(slot.predictor, waiting),
                verdicts=tuple(unit.drift_verdicts(champion.version, limit=limit)),
            )

    def codec(self, request: Request) -> Codec[Any]:
        """The codec of the model that answers this request. Raises NotReady."""
        return self.asked(request).slot.predictor.codec

    def samples(self, request: Request) -> Sequence[Golden]:
        """The golden samples of the model that answers this request. Raises NotReady."""
        return self.asked(request).slot.predictor.bundle.golden

    def scores(self, request: Request) -> Mapping[str, Mapping[str, float]]:
        """What that model scored on its test, from its bundle's evaluation.

        Raises NotReady, StorageFailed when the file cannot be read, Corrupt when it is no
        evaluation.
        """
        return _scores(self.asked(request).slot.predictor.bundle)

    def refresh(self, request: Request) -> str:
        """Follow the ledger at once; the champion's id, once this server serves it.

        Raises Forbidden while no token is set, Unauthorised for another one, NotReady.
        """
        token = self._serving.settings.refresh_token
        if token is None:
            raise Forbidden(
                "This server has no token for this.",
                hint="Start it with TIDEMILL_REFRESH_TOKEN, and send the same as a bearer token.",
            )
        kind, _, brought = request.headers.get("authorization", "").partition(" ")
        # As bytes: the comparison takes no text with other letters than ASCII.
        same = secrets.compare_digest(brought.encode(), token.get_secret_value().encode())
        if kind.lower() != "bearer" or not same:
            raise Unauthorised(
                "The token is missing or wrong.", hint="Send Authorization: Bearer TOKEN."
            )
        self._slots.step()
        with self._serving.ledger.begin(write=False) as unit:
            champion = unit.alias("champion")
        if champion is None:
            raise NotReady("No version is champion.")
        return self._served(champion.version).version.id

    def _served(self, champion: str) -> Slot:
        """The slot of that version. Raises NotReady when this server has not come to it."""
        slot = self._slots.view.champion
        if slot is None or slot.version.id != champion:
            raise NotReady(
                f"This server does not serve {champion} yet.", hint="GET /v1/ready says why."
            )
        return slot


def _scores(bundle: Bundle) -> dict[str, dict[str, float]]:
    try:
        body = json.loads((bundle.path / "evaluation.json").read_bytes())
        told = {target: row["test"] for target, row in body.get("targets", {}).items()}
        return {
            target: {name: float(row[name]) for name in ("accuracy", "macro_f1")}
            for target, row in told.items()
            if row is not None
        }
    except OSError as error:
        raise StorageFailed(f"The evaluation cannot be read: {error.strerror}.") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Corrupt(f"The evaluation of bundle {bundle.id[:12]} is malformed.") from error


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
        for target, names in reference.view.classes.items()
    }


def _proof(lent: Lent) -> Server:
    """Lets mypy prove that this meets the contract."""
    return lent
