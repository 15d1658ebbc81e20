"""Painted coffee leaves."""

from __future__ import annotations

from tidemill.demo.scenarios import leaves
from tidemill.recipes.shared.image_faults import plant
from tidemill.recipes.shared.leaves import examples

WORLD = leaves.world("coffee", examples, plant, second=("train.epochs=9",))
