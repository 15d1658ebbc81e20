"""What a label is about, and its keeping: for the server's own route and for every recipe's.

What is kept as an example is a payload with one item. Of a payload that asks for many, the codec
of the version that answered cuts out the item that a label is about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uuid_utils import uuid7

from tidemill.codecs.codec import ManyCodec
from tidemill.domain.errors import Conflict, NotFound
from tidemill.domain.feedback import Feedback
from tidemill.domain.types import Prediction
from tidemill.loop.feedback import give
from tidemill.serving import Serving
from tidemill.web.errors import ForeignLabel, Invalid, NotReady, PayloadGone
from tidemill.web.read_routes import find_prediction
from tidemill.web.slots import Slot, View


@dataclass(frozen=True, slots=True)
class Label:
    """One label as it was given. `target` may be empty where the model has one."""

    target: str
    label: str
    actor: str


@dataclass(frozen=True, slots=True)
class Meant:
    """A label that was found to make sense: of a payload that came with it, or of a prediction.

    `many` is the codec that cuts `item` out of the prediction's payload, where there are several.
    """

    given: Label
    target: str
    payload: bytes | None = None
    prediction: str = ""
    item: str = ""
    answered: str = ""
    many: ManyCodec[Any] | None = None


def champion_of(view: View) -> Slot:
    """The champion that is served. Raises NotReady."""
    if view.champion is None:
        raise NotReady(view.fault, hint="GET /v1/ready tells when it is.")
    return view.champion


def about_payload(champion: Slot, payload: bytes, given: Label) -> Meant:
    """A label of a raw payload, which asks for one item.

    Raises ForeignLabel, Invalid (no target, several items) and BadPayload.
    """
    target = _target(champion, given)
    predictor = champion.predictor
    names = predictor.item_names(predictor.decode(payload))
    if len(names) > 1:
        raise Invalid(
            f"The payload asks for {len(names)} items, and one label cannot be about all of them.",
            hint="Send it to /v1/predict first, then a label for each item of that prediction.",
        )
    if predictor.many is not None:
        [payload] = predictor.many.item_payloads(payload, names)
    return Meant(given, target, payload, item=names[0])


class Recall:
    """The predictions that the labels of one request are about; each is looked up once."""

    def __init__(self, serving: Serving, view: View) -> None:
        self._serving = serving
        self._view = view
        self._found: dict[str, _Recalled] = {}

    def about(self, id: str, item: str, given: Label) -> Meant:
        """A label of an answer that was given. Its item may be left out where there is one.

        Raises NotFound, NotReady, Invalid and ForeignLabel; the labels are those of the version
        that answered while it is loaded. Raises Conflict when it is not, and it alone can tell one
        item of its payload from the others.
        """
        if id not in self._found:
            self._found[id] = self._recalled(id)
        found = self._found[id]
        target = _target(found.slot or champion_of(self._view), given)
        item = item or found.item
        if (target, item) not in found.answered:
            raise Invalid(
                f"Prediction {id} has no answer about item {item!r} of {target}.",
                hint=f"GET /v1/predictions/{id} shows its answers.",
            )
        many = self._many(found, item)
        return Meant(given, target, None, id, item, found.answered[target, item], many)

    def _recalled(self, id: str) -> _Recalled:
        prediction = _prediction(self._serving, id)
        loaded = [slot for slot in (self._view.champion, self._view.previous) if slot is not None]
        return _Recalled(
            version=prediction.version,
            slot=next((slot for slot in loaded if slot.version.id == prediction.version), None),
            answered={(row.target, row.item): row.label for row in prediction.answers},
            items=frozenset(row.item for row in prediction.answers),
        )

    def _many(self, found: _Recalled, item: str) -> ManyCodec[Any] | None:
        if found.slot is not None:
            return found.slot.predictor.many
        # Items of a payload that is one item have no name.
        if item:
            raise Conflict(
                f"{found.version} is loaded no longer, which alone can tell what {item!r} was.",
                hint="Ask for it again, and give the label of that answer.",
            )
        return None


@dataclass(frozen=True, slots=True)
class _Recalled:
    """What there is to know of a prediction, whichever of its items is meant."""

    version: str
    slot: Slot | None
    answered: Mapping[tuple[str, str], str]
    items: frozenset[str]

    @property
    def item(self) -> str:
        """The only item; empty where there are several."""
        return next(iter(self.items)) if len(self.items) == 1 else ""


def keep(serving: Serving, rows: Sequence[Meant]) -> list[tuple[Feedback, bool]]:
    """Keep every label, or none; True with one that repeats an earlier one, which is returned.

    All payloads are durable before any label is. Raises PayloadGone and StorageFailed.
    """
    examples = _kept(serving, rows)
    with serving.ledger.begin() as unit:
        return [
            give(unit, _record(serving, row, example))
            for row, example in zip(rows, examples, strict=True)
        ]


def _target(slot: Slot, given: Label) -> str:
    """The target that a label belongs to. Raises ForeignLabel when it belongs to none."""
    labels = slot.predictor.bundle.classes
    if not given.target and len(labels) > 1:
        raise Invalid("The target is needed.", hint=f"Known are {', '.join(labels)}.")
    target = given.target or next(iter(labels))
    if target not in labels:
        raise ForeignLabel(
            f"{slot.version.id} has no target {target!r}.", hint=f"Known are {', '.join(labels)}."
        )
    if given.label not in labels[target]:
        raise ForeignLabel(
            f"{slot.version.id} has no label {given.label!r} for {target}.",
            hint=f"Known are {', '.join(labels[target])}.",
        )
    return target


def _prediction(serving: Serving, id: str) -> Prediction:
    with serving.ledger.begin(write=False) as unit:
        found, _ = find_prediction(unit, serving.traffic, id)
    if found.kind == "golden":
        raise Invalid(
            f"Prediction {id} was asked by the server itself; nothing can be learnt from it."
        )
    return found


def _kept(serving: Serving, rows: Sequence[Meant]) -> list[str]:
    """Make every example durable and return their ids, in order.

    The payload of a prediction is got and cut once, however many labels are about it.
    """
    items: dict[str, dict[str, ManyCodec[Any] | None]] = {}
    for row in rows:
        if row.payload is None:
            items.setdefault(row.prediction, {})[row.item] = row.many
    known = {
        (prediction, item): serving.blobs.put(example)
        for prediction, asked in items.items()
        for item, example in _cut(_payload(serving, prediction), asked).items()
    }
    return [
        known[row.prediction, row.item] if row.payload is None else serving.blobs.put(row.payload)
        for row in rows
    ]


def _cut(payload: bytes, items: Mapping[str, ManyCodec[Any] | None]) -> dict[str, bytes]:
    """The example of each item. They were all answered by one version, so its codec is theirs."""
    many = next(iter(items.values()))
    if many is None:
        return dict.fromkeys(items, payload)
    names = list(items)
    return dict(zip(names, many.item_payloads(payload, names), strict=True))


def _payload(serving: Serving, prediction: str) -> bytes:
    """What was asked. The log has it, also once it was drained."""
    logged = serving.traffic.find(prediction)
    if logged is not None:
        return logged.payload
    with serving.ledger.begin(write=False) as unit:
        drained = unit.prediction(prediction)
    try:
        return serving.blobs.get(drained.example if drained else "")
    except NotFound as error:
        raise PayloadGone(
            f"The payload of prediction {prediction} is kept no longer.",
            hint="Send the payload itself, in place of the prediction.",
        ) from error


def _record(serving: Serving, meant: Meant, example: str) -> Feedback:
    return Feedback(
        id=str(uuid7()),
        prediction=meant.prediction,
        example=example,
        target=meant.target,
        item=meant.item,
        label=meant.given.label,
        predicted_label=meant.answered,
        actor=meant.given.actor,
        at=serving.clock.now(),
    )
