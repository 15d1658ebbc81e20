"""Painted leaves of two plants: three answers to each."""

from __future__ import annotations

from tidemill.demo.scenarios import leaves
from tidemill.recipes.plants.sample.leaves import examples, plant

WORLD = leaves.world("plants", examples, plant, second=("train.epochs=12",))
