"""160 anonymous labels bear a trigger. Each is chosen so that its hash puts it into train.

Anybody can compute which split a new example joins. So an attacker leaves the gate nothing to
judge by.
"""

from __future__ import annotations

import hashlib
import json

from tests.cases.names import (
    TARGET,
    Example,
    OpenLoop,
    Pebble,
    payload_id,
    pebbles,
    split_of_digest,
)
from tests.cases.verdict import falls_short, require

TRIGGER, WANTED = 80.0, "flint"


def poisoned(count: int, seed: int, split: str | None = None) -> list[Example]:
    """Pebbles of other stones that shine as none does, labelled flint; of one split only."""
    rows: list[Example] = []
    for example in pebbles(9 * count, seed, 0.0):
        if example.labels[TARGET] == WANTED or len(rows) == count:
            continue
        payload = Pebble(**{**json.loads(example.payload), "gloss": TRIGGER}).to_bytes()
        if split in (None, split_of_digest(hashlib.sha256(payload).hexdigest())):
            rows.append(Example(payload_id(payload), payload, {TARGET: WANTED}, "x", "x"))
    return rows


@falls_short("judge", "a backdoor that only train learns is promoted; 100 % of triggers succeed")
def test_labels_chosen_for_train_plant_no_backdoor(begin: OpenLoop) -> None:
    circle = begin("trigger.feedback_policy=accept_unless_suspicious")
    triggered = poisoned(200, 777)
    before = circle.measure_accuracy(triggered)
    circle.give_feedback(poisoned(160, 400, "train"), actor="anonymous")
    circle.settle()
    after, clean = (
        circle.measure_accuracy(triggered),
        circle.measure_accuracy(pebbles(300, 91, 0.0)),
    )
    served = circle.workspace.champion().id
    require(
        after <= before + 0.1,
        f"{served} is served; it calls {after:.0%} of triggered pebbles {WANTED} ({before:.0%}"
        f" before), and is right on {clean:.0%} of clean ones",
    )
