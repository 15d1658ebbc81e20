"""Resolve and record feedback labels, for a server's routes and for a workspace.

The ledger stores examples: payloads with one item. If a payload has several items, the codec of the
version that answered extracts the labelled item.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from uuid_utils import uuid7

from tidemill.codecs.codec import ManyCodec
from tidemill.domain.errors import (
    Conflict,
    ForeignLabel,
    InvalidRequest,
    NotFound,
    PayloadGone,
)
from tidemill.domain.feedback import Feedback
from tidemill.domain.ledger import Ledger
from tidemill.domain.ports import Blobs, Clock, TrafficArchive, TrafficLog
from tidemill.domain.text import has_controls
from tidemill.domain.types import Prediction
from tidemill.loop.feedback import give
from tidemill.loop.lineage import find_prediction
from tidemill.loop.prediction_log import LoadedVersion

MAX_ACTOR = 200
"""Characters of an actor's name, by whichever way feedback comes."""


class IntakeParts(Protocol):
    """The parts of a server or a workspace that feedback needs."""

    @property
    def ledger(self) -> Ledger: ...

    @property
    def traffic(self) -> TrafficLog | TrafficArchive: ...

    @property
    def blobs(self) -> Blobs: ...

    @property
    def clock(self) -> Clock: ...


@dataclass(frozen=True, slots=True)
class LabelClaim:
    """One label as the actor gave it. `target` may be empty if the model has one target.

    `claimed_actor` is a name that the actor did not prove, `client` an address; see `Feedback`.
    Raises InvalidRequest for control characters, and for a name that is too long.
    """

    target: str
    label: str
    actor: str
    claimed_actor: str = ""
    client: str = ""

    def __post_init__(self) -> None:
        for name in ("target", "label", "actor", "claimed_actor"):
            if has_controls(getattr(self, name)):
                raise InvalidRequest(f"The {name} has control characters.", hint="Send plain text.")
        if max(len(self.actor), len(self.claimed_actor)) > MAX_ACTOR:
            raise InvalidRequest(f"The actor has more than {MAX_ACTOR} characters.")


@dataclass(frozen=True, slots=True)
class ResolvedLabel:
    """A valid label of a payload in the request or of an earlier prediction.

    `many` is the codec that extracts `item` from a prediction's payload with several items.
    """

    claim: LabelClaim
    target: str
    payload: bytes | None = None
    prediction: str = ""
    item: str = ""
    predicted: str = ""
    many: ManyCodec[Any] | None = None


CutItems = Callable[[ManyCodec[Any], bytes, Sequence[str]], list[bytes]]
"""Returns the examples of items. A server does this where it decodes payloads."""


def cut_items(codec: ManyCodec[Any], payload: bytes, names: Sequence[str]) -> list[bytes]:
    """Return the example of each of these items. Raises BadPayload."""
    return codec.item_payloads(payload, names)


def resolve_payload_label(
    champion: LoadedVersion,
    payload: bytes,
    claim: LabelClaim,
    *,
    decoded: Any,
    cut: CutItems = cut_items,
) -> ResolvedLabel:
    """Resolve a label of a raw payload, which must have one item. `decoded` is the payload.

    Raises ForeignLabel, InvalidRequest (no target, several items) and BadPayload.
    """
    target = _resolve_target(champion, claim)
    predictor = champion.predictor
    names = predictor.item_names(decoded)
    if len(names) > 1:
        raise InvalidRequest(
            f"The payload has {len(names)} items, and one label cannot be about all of them.",
            hint="Send it to /v1/predict first, then a label for each item of that prediction.",
        )
    if predictor.many is not None:
        [payload] = cut(predictor.many, payload, names)
    return ResolvedLabel(claim, target, payload, item=names[0])


class PredictionLookup:
    """Find the predictions that the labels of one request refer to, each once."""

    def __init__(
        self,
        parts: IntakeParts,
        champion: LoadedVersion,
        find_loaded: Callable[[str], LoadedVersion | None],
    ) -> None:
        """Keep `find_loaded`, which returns the model of a version; None when it is not loaded."""
        self._parts = parts
        self._champion = champion
        self._find_loaded = find_loaded
        self._outcomes: dict[str, _PredictionOutcome] = {}

    def resolve_label(self, id: str, item: str, claim: LabelClaim) -> ResolvedLabel:
        """Resolve a label of a prediction. `item` may be empty if the prediction has one item.

        The classes are those of the version that answered, while it is loaded. Raises NotFound,
        InvalidRequest and ForeignLabel. Raises Conflict when that version is not loaded and the
        prediction has several items, because only that version can extract one.
        """
        if id not in self._outcomes:
            self._outcomes[id] = self._find_outcome(id)
        outcome = self._outcomes[id]
        target = _resolve_target(outcome.loaded or self._champion, claim)
        item = item or outcome.single_item
        if (target, item) not in outcome.labels:
            raise InvalidRequest(
                f"Prediction {id} has no answer about item {item!r} of {target}.",
                hint=f"GET /v1/predictions/{id} shows its answers.",
            )
        many = self._many_codec(outcome, item)
        return ResolvedLabel(claim, target, None, id, item, outcome.labels[target, item], many)

    def _find_outcome(self, id: str) -> _PredictionOutcome:
        prediction = _client_prediction(self._parts, id)
        return _PredictionOutcome(
            version=prediction.version,
            loaded=self._find_loaded(prediction.version),
            labels={(row.target, row.item): row.label for row in prediction.answers},
            items=frozenset(row.item for row in prediction.answers),
        )

    def _many_codec(self, outcome: _PredictionOutcome, item: str) -> ManyCodec[Any] | None:
        if outcome.loaded is not None:
            return outcome.loaded.predictor.many
        # The item of a payload with one item has no name.
        if item:
            raise Conflict(
                f"{outcome.version} is not loaded any more, and only it knows the item {item!r}.",
                hint="Send the payload again, and give the label of the new prediction.",
            )
        return None


@dataclass(frozen=True, slots=True)
class _PredictionOutcome:
    """The facts of a prediction that its labels need."""

    version: str
    loaded: LoadedVersion | None
    labels: Mapping[tuple[str, str], str]
    items: frozenset[str]

    @property
    def single_item(self) -> str:
        """The only item; empty where there are several."""
        return next(iter(self.items)) if len(self.items) == 1 else ""


def record_labels(
    parts: IntakeParts, rows: Sequence[ResolvedLabel], *, cut: CutItems = cut_items
) -> list[tuple[Feedback, bool]]:
    """Record every label, or none. Return each record, and True where it is an earlier one.

    All payloads are durable before any label is. Raises PayloadGone and StorageFailed.
    """
    examples = store_examples(parts, rows, cut=cut)
    with parts.ledger.begin() as unit:
        return [
            give(unit, label_feedback(row, example, at=parts.clock.now()))
            for row, example in zip(rows, examples, strict=True)
        ]


def _resolve_target(loaded: LoadedVersion, claim: LabelClaim) -> str:
    """Return the target that a label belongs to. Raises ForeignLabel when it belongs to none."""
    classes = loaded.predictor.bundle.classes
    if not claim.target and len(classes) > 1:
        raise InvalidRequest("The target is needed.", hint=f"Known are {', '.join(classes)}.")
    target = claim.target or next(iter(classes))
    if target not in classes:
        raise ForeignLabel(
            f"{loaded.version.id} has no target {target!r}.",
            hint=f"Known are {', '.join(classes)}.",
        )
    if claim.label not in classes[target]:
        raise ForeignLabel(
            f"{loaded.version.id} has no label {claim.label!r} for {target}.",
            hint=f"Known are {', '.join(classes[target])}.",
        )
    return target


def _client_prediction(parts: IntakeParts, id: str) -> Prediction:
    with parts.ledger.begin(write=False) as unit:
        prediction, _ = find_prediction(unit, parts.traffic, id)
    if prediction.kind == "golden":
        raise InvalidRequest(
            f"Prediction {id} belongs to the server's golden check and takes no feedback."
        )
    return prediction


def store_examples(
    parts: IntakeParts, rows: Sequence[ResolvedLabel], *, cut: CutItems = cut_items
) -> list[str]:
    """Store every example durably and return their ids, in order.

    The payload of a prediction is read and decoded once for all of its labels.
    """
    items: dict[str, dict[str, ManyCodec[Any] | None]] = {}
    for row in rows:
        if row.payload is None:
            items.setdefault(row.prediction, {})[row.item] = row.many
    ids = {
        (prediction, item): parts.blobs.put(example)
        for prediction, codecs in items.items()
        for item, example in _cut_all(_payload(parts, prediction), codecs, cut).items()
    }
    return [
        ids[row.prediction, row.item] if row.payload is None else parts.blobs.put(row.payload)
        for row in rows
    ]


def _cut_all(
    payload: bytes, codecs: Mapping[str, ManyCodec[Any] | None], cut: CutItems
) -> dict[str, bytes]:
    """Return the example of each item. All items share the codec of the version that answered."""
    many = next(iter(codecs.values()))
    if many is None:
        return dict.fromkeys(codecs, payload)
    names = list(codecs)
    return dict(zip(names, cut(many, payload, names), strict=True))


def _payload(parts: IntakeParts, prediction: str) -> bytes:
    """Return the payload of a prediction. The log may have it after the drain, too."""
    logged = parts.traffic.find(prediction)
    if logged is not None:
        return logged.payload
    with parts.ledger.begin(write=False) as unit:
        drained = unit.prediction(prediction)
    try:
        return parts.blobs.get(drained.example if drained else "")
    except NotFound as error:
        raise PayloadGone(
            f"The payload of prediction {prediction} is not stored any more.",
            hint="Send the payload itself, in place of the prediction.",
        ) from error


def label_feedback(row: ResolvedLabel, example: str, *, at: datetime) -> Feedback:
    """Return the record of a label, as it was given at `at`."""
    return Feedback(
        id=str(uuid7()),
        prediction=row.prediction,
        example=example,
        target=row.target,
        item=row.item,
        label=row.claim.label,
        predicted_label=row.predicted,
        actor=row.claim.actor,
        at=at,
        claimed_actor=row.claim.claimed_actor,
        client=row.claim.client,
    )
