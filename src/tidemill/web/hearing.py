"""What a label is about, and its keeping: for the server's own route and for every recipe's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from uuid_utils import uuid7

from tidemill.domain.errors import NotFound
from tidemill.domain.feedback import Feedback
from tidemill.domain.types import Prediction
from tidemill.loop.feedback import give
from tidemill.serving import Serving
from tidemill.web.api import find_prediction
from tidemill.web.errors import ForeignLabel, Invalid, NotReady, PayloadGone
from tidemill.web.slots import Slot, View


@dataclass(frozen=True, slots=True)
class Label:
    """One label as it was given. `target` may be empty where the model has one."""

    target: str
    label: str
    actor: str


@dataclass(frozen=True, slots=True)
class Meant:
    """A label that was found to make sense: of a payload that came with it, or of a prediction."""

    given: Label
    target: str
    payload: bytes | None = None
    prediction: str = ""
    item: str = ""
    answered: str = ""


def champion_of(view: View) -> Slot:
    """The champion that is served. Raises NotReady."""
    if view.champion is None:
        raise NotReady(view.fault, hint="GET /v1/ready tells when it is.")
    return view.champion


def about_payload(champion: Slot, payload: bytes, given: Label) -> Meant:
    """A label of a raw payload. Raises ForeignLabel, Invalid (no target) and BadPayload."""
    target = _target(champion, given)
    champion.predictor.read(payload)
    return Meant(given, target, payload)


def about_prediction(serving: Serving, view: View, id: str, item: str, given: Label) -> Meant:
    """A label of an answer that was given, on one of its items.

    Raises NotFound, NotReady, Invalid and ForeignLabel; the labels are those of the version that
    answered while it is loaded.
    """
    prediction = _prediction(serving, id)
    loaded = [slot for slot in (view.champion, view.previous) if slot is not None]
    asked = next((slot for slot in loaded if slot.version.id == prediction.version), None)
    target = _target(asked or champion_of(view), given)
    for answer in prediction.answers:
        if (answer.target, answer.item) == (target, item):
            return Meant(given, target, None, id, item, answer.label)
    raise Invalid(
        f"Prediction {id} has no answer about item {item!r} of {target}.",
        hint=f"GET /v1/predictions/{id} shows its answers.",
    )


def keep(serving: Serving, rows: Sequence[Meant]) -> list[tuple[Feedback, bool]]:
    """Keep every label, or none; True with one that repeats an earlier one, which is returned.

    All payloads are durable before any label is. Raises PayloadGone and StorageFailed.
    """
    examples = [_kept(serving, row) for row in rows]
    with serving.ledger.begin() as unit:
        return [
            give(unit, _record(serving, row, example))
            for row, example in zip(rows, examples, strict=True)
        ]


def _target(slot: Slot, given: Label) -> str:
    """The target that a label belongs to. Raises ForeignLabel when it belongs to none."""
    labels = slot.predictor.bundle.labels
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
    if found.kind == "probe":
        raise Invalid(
            f"Prediction {id} was asked by the server itself; nothing can be learnt from it."
        )
    return found


def _kept(serving: Serving, meant: Meant) -> str:
    """Make the payload durable and return its id. The log has it, also once it was drained."""
    if meant.payload is not None:
        return serving.blobs.put(meant.payload)
    logged = serving.traffic.find(meant.prediction)
    if logged is not None:
        return serving.blobs.put(logged.payload)
    with serving.ledger.begin(write=False) as unit:
        drained = unit.prediction(meant.prediction)
    example = drained.example if drained else ""
    try:
        serving.blobs.get(example)
    except NotFound as error:
        raise PayloadGone(
            f"The payload of prediction {meant.prediction} is kept no longer.",
            hint="Send the payload itself, in place of the prediction.",
        ) from error
    return example


def _record(serving: Serving, meant: Meant, example: str) -> Feedback:
    return Feedback(
        id=str(uuid7()),
        prediction=meant.prediction,
        example=example,
        target=meant.target,
        item=meant.item,
        label=meant.given.label,
        answered=meant.answered,
        actor=meant.given.actor,
        at=serving.clock.now(),
    )
