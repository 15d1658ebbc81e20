"""Painted leaves of two plants: three answers to each."""

from __future__ import annotations

from tidemill.cli.story.worlds import leaves
from tidemill.data.samples.plants import examples, plant

WORLD = leaves.world("plants", examples, plant, second=("train.epochs=12",))
