"""Painted coffee leaves."""

from __future__ import annotations

from tidemill.cli.story.worlds import leaves
from tidemill.data.samples.faults import plant
from tidemill.data.samples.leaves import examples

WORLD = leaves.world("coffee", examples, plant, second=("train.epochs=9",))
