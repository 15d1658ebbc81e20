"""The interface of the server for its own routes and a recipe's: predictions, feedback, drift."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from fastapi import Request

from tidemill.bundle import Golden
from tidemill.codecs.codec import Codec
from tidemill.domain.drift import Profile
from tidemill.domain.errors import Forbidden, InvalidRequest, NotReady, TidemillError, Unauthorised
from tidemill.domain.feedback import Feedback
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import Labels, ModelVersion, Prediction, Run
from tidemill.loop.feedback_intake import LabelClaim
from tidemill.loop.window import open_profiles
from tidemill.predictor import Predictor
from tidemill.recipes.routes import DriftState, Server
from tidemill.serving import ServerParts
from tidemill.web.batcher import Batcher
from tidemill.web.caller import caller_of
from tidemill.web.feedback_intake import FeedbackIntake, PayloadLabel
from tidemill.web.reader import Reader
from tidemill.web.readiness import Readiness
from tidemill.web.request_context import RequestContext, context_of, is_golden_request
from tidemill.web.slots import Slot, Slots

T = TypeVar("T")
INLINE_READ_NS = 1e6
"""Nanoseconds of reading that the event loop does itself; more would delay the other requests."""
MethodPath = tuple[str, str]
"""Method and path of a request."""


class RecipeServer:
    """Picks the slot of a request, once, and answers with it."""

    def __init__(self, parts: ServerParts, slots: Slots, batcher: Batcher, reader: Reader) -> None:
        self._parts = parts
        self._slots = slots
        self._batcher = batcher
        self._reader = reader
        self.feedback_intake = FeedbackIntake(parts, slots, reader)
        self.readiness = Readiness(lambda: slots.state, (batcher.fault, lambda: slots.bundle_fault))
        # Set after the recipe has built its routes, because the routes need this object.
        self.checked_routes: Collection[MethodPath] = ()

    @property
    def max_payloads(self) -> int:
        """Payloads that one request may hold."""
        return self._batcher.max_payloads

    def ready(self) -> bool:
        """Return True while a champion that passed its golden check answers requests."""
        return not self.readiness.fault()

    def is_golden_request(self, request: Request) -> bool:
        """Return True for a request of the golden check."""
        return is_golden_request(request.scope)

    def context(self, request: Request) -> RequestContext:
        """Return the context of a request; every call returns the same one. Raises NotReady."""
        return context_of(request.scope, self._slots.require_champion)

    async def predict(
        self, request: Request, payloads: Sequence[bytes], *, checked_as: str = ""
    ) -> list[Prediction]:
        """Return one prediction per payload; all are durable before this returns.

        `checked_as` is a path that the golden check asks in place of the request's, because the
        same code reads and answers both.

        Raises BadPayload, InvalidRequest, NotReady, Overloaded and StorageFailed; and
        TidemillError, a 500, for a method and path that the golden check does not ask. The path is
        that of the request, so a mounted, nested or parametrised route needs a golden request for
        each path.
        """
        route = (request.scope["method"], checked_as or request.scope["path"])
        if route not in self.checked_routes:
            raise TidemillError(
                f"{' '.join(route)} has no golden request, so it gets no predictions.",
                hint="Return a GoldenRequest for it from the recipe's routes.",
            )
        caller_of(request.scope).require("predict")
        context = self.context(request)
        if not payloads:
            return []
        return await self._batcher.predict(context, payloads)

    async def decode(self, request: Request, payloads: Sequence[bytes]) -> list[Any]:
        """Return each payload decoded, in order, without a prediction. See `Reader.decode`."""
        rows = await self._reader.decode(self.context(request), payloads)
        return [row.decoded for row in rows]

    async def read(
        self, request: Request, function: Callable[..., T], *args: Any, cost_ns: float
    ) -> T:
        """Return `function(codec, *args)`, done where all payloads of this server are decoded.

        What is cheap is done at once. See `recipes.routes.Server.read`.
        """
        context = self.context(request)
        codec = context.slot.predictor.codec
        if cost_ns <= INLINE_READ_NS:
            return function(codec, *args)
        return await asyncio.wrap_future(
            self._reader.submit(context, codec, cost_ns, function, *args)
        )

    async def record_feedback(
        self, request: Request, payload: bytes, labels: Labels, *, actor: str = ""
    ) -> list[Feedback]:
        """Record a label per target, all or none; return the record of each.

        The caller is the actor; `actor` is a name that the caller claims.
        Raises ForeignLabel, InvalidRequest, BadPayload, NotReady and StorageFailed; and
        TidemillError, a 500, in a golden request, whose answer must not become feedback.
        """
        if self.is_golden_request(request):
            raise TidemillError(
                f"{request.scope['path']} records feedback, so it cannot have a golden request.",
                hint="Name it in the `silent_paths` of the recipe's routes instead.",
            )
        caller = caller_of(request.scope)
        caller.require("feedback")
        if not labels:
            raise InvalidRequest("Feedback needs a label.")
        [decoded] = await self.decode(request, [payload])
        rows = [
            PayloadLabel(
                payload,
                decoded,
                LabelClaim(target, label, caller.actor, actor, caller.client),
            )
            for target, label in labels.items()
        ]
        recorded = await self.feedback_intake.record(self.context(request), rows)
        return [feedback for feedback, _ in recorded]

    def drift_state(self, *, limit: int) -> DriftState:
        """Return the state of the champion's traffic from the ledger. Raises NotReady."""
        with self._parts.ledger.begin(write=False) as unit:
            champion = unit.alias("champion")
            if champion is None:
                raise NotReady("No version is champion.")
            slot = self._slot_of(champion.version)
            profiles = open_profiles(unit, champion)
            return DriftState(
                version=champion.version,
                prediction_count=unit.count_answers(champion.version),
                unjudged_count=sum(profile.n for profile in profiles),
                minimum=_drift_minimum(unit, slot.version),
                label_counts=_label_counts(slot.predictor, profiles),
                verdicts=tuple(unit.drift_verdicts(champion.version, limit=limit)),
            )

    def codec(self, request: Request) -> Codec[Any]:
        """Return the codec of the model that answers this request. Raises NotReady."""
        return self.context(request).slot.predictor.codec

    def golden_samples(self, request: Request) -> Sequence[Golden]:
        """Return the golden samples of the model that answers this request. Raises NotReady."""
        return self.context(request).slot.predictor.bundle.golden

    def test_scores(self, request: Request) -> Mapping[str, Mapping[str, float]]:
        """Return the test scores of that model, from its bundle's evaluation.

        Raises NotReady and what `Bundle.evaluation` raises.
        """
        evaluation = self.context(request).slot.predictor.bundle.evaluation()
        return {
            target: {"accuracy": row.accuracy, "macro_f1": row.macro_f1}
            for target, row in evaluation.split_scores("test").items()
        }

    def refresh(self, request: Request) -> str:
        """Read the ledger at once; return the champion's id when this server serves it.

        Takes a key with the scope admin, or the token of the setting. Raises Forbidden when no
        token is set, Unauthorised for a wrong one, NotReady.
        """
        if not caller_of(request.scope).may("admin"):
            self._require_token(request)
        self._slots.refresh()
        with self._parts.ledger.begin(write=False) as unit:
            champion = unit.alias("champion")
        if champion is None:
            raise NotReady("No version is champion.")
        return self._slot_of(champion.version).version.id

    def _require_token(self, request: Request) -> None:
        token = self._parts.settings.refresh_token
        if token is None:
            raise Forbidden(
                "This server has no refresh token.",
                hint="Start it with TIDEMILL_REFRESH_TOKEN, and send the same as a bearer token.",
            )
        kind, _, credentials = request.headers.get("authorization", "").partition(" ")
        # As bytes: compare_digest takes only ASCII text.
        same = secrets.compare_digest(credentials.encode(), token.get_secret_value().encode())
        if kind.lower() != "bearer" or not same:
            raise Unauthorised(
                "The token is missing or wrong.", hint="Send Authorization: Bearer TOKEN."
            )

    def _slot_of(self, champion: str) -> Slot:
        """Return the slot of that version. Raises NotReady when this server does not serve it."""
        slot = self._slots.state.champion
        if slot is None or slot.version.id != champion:
            raise NotReady(
                f"This server does not serve {champion} yet.", hint="GET /v1/ready says why."
            )
        return slot


def _drift_minimum(unit: UnitOfWork, version: ModelVersion) -> int | None:
    """Return how many predictions a check needs by the version's experiment.

    An engine may run with another number, and an older experiment names none.
    """
    minimum = unit.get(Run, version.run).config.get("drift", {}).get("minimum")
    return minimum if isinstance(minimum, int) else None


def _label_counts(
    predictor: Predictor, profiles: Sequence[Profile]
) -> Mapping[str, Mapping[str, int]]:
    """Count each predicted label per target. Raises DataError for foreign counts."""
    reference = predictor.bundle.reference
    rows = [profile.counts for profile in profiles] or [(0,) * sum(reference.sizes)]
    parts = reference.split(np.array(rows, np.int64).sum(axis=0))
    return {
        target: dict(zip(names, parts[f"prediction.{target}"].tolist(), strict=True))
        for target, names in reference.view.classes.items()
    }


def _type_check(server: RecipeServer) -> Server:
    """Let mypy prove that RecipeServer meets the contract."""
    return server
