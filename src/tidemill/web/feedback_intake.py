"""Records labels for every route that takes them, in threads of their own.

The ledger may be locked for seconds. Only feedback waits for it then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tidemill.codecs.codec import ManyCodec
from tidemill.domain.errors import TidemillError
from tidemill.domain.feedback import Feedback
from tidemill.loop.feedback_intake import (
    LabelClaim,
    PredictionLookup,
    ResolvedLabel,
    cut_items,
    record_labels,
    resolve_payload_label,
)
from tidemill.serving import ServerParts
from tidemill.web.reader import Reader
from tidemill.web.request_context import RequestContext
from tidemill.web.slots import Slots
from tidemill.web.work import Work

THREADS = 4
MAX_WAITING = 60
"""Requests that wait for a thread. SQLite lets one of them write at a time."""


@dataclass(frozen=True, slots=True)
class PayloadLabel:
    """A label of a payload in the request. `decoded` is the payload for the champion."""

    payload: bytes
    decoded: Any
    claim: LabelClaim


@dataclass(frozen=True, slots=True)
class PredictionLabel:
    """A label of an earlier prediction. `item` may be empty if the prediction has one item."""

    prediction: str
    item: str
    claim: LabelClaim


LabelSource = PayloadLabel | PredictionLabel


class FeedbackIntake:
    """The feedback of one server."""

    def __init__(self, parts: ServerParts, slots: Slots, reader: Reader) -> None:
        self._parts = parts
        self._slots = slots
        self._reader = reader
        self._work = Work("feedback", threads=THREADS, max_waiting=MAX_WAITING)

    async def record(
        self, context: RequestContext, rows: Sequence[LabelSource]
    ) -> list[tuple[Feedback, bool]]:
        """Record every label, or none. Return each record, and True where it is an earlier one.

        Raises what `resolve_payload_label`, `PredictionLookup.resolve_label` and `record_labels`
        raise, with the row's place when there are several, and Overloaded.
        """
        return await self._work.run(self._record, context, rows)

    def _record(
        self, context: RequestContext, rows: Sequence[LabelSource]
    ) -> list[tuple[Feedback, bool]]:
        def cut(codec: ManyCodec[Any], payload: bytes, names: Sequence[str]) -> list[bytes]:
            cost = codec.estimate_ns(payload)
            return self._reader.submit(context, codec, cost, cut_items, payload, names).result()

        lookup = PredictionLookup(self._parts, context.slot, self._slots.state.find_slot)
        resolved: list[ResolvedLabel] = []
        for index, row in enumerate(rows):
            try:
                if isinstance(row, PredictionLabel):
                    label = lookup.resolve_label(row.prediction, row.item, row.claim)
                else:
                    label = resolve_payload_label(
                        context.slot, row.payload, row.claim, decoded=row.decoded, cut=cut
                    )
            except TidemillError as error:
                if len(rows) == 1:
                    raise
                raise type(error)(f"feedback.{index}: {error.message}", hint=error.hint) from error
            resolved.append(label)
        return record_labels(self._parts, resolved, cut=cut)
