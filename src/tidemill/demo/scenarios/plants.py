"""Painted leaves of two plants, with three targets each."""

from __future__ import annotations

from tidemill.demo.scenarios.leaves import build_scenario
from tidemill.recipes.plants.sample.leaves import examples, plant

SCENARIO = build_scenario("plants", examples, plant, second_overrides=("train.epochs=12",))
