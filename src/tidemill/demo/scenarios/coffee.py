"""Painted coffee leaves."""

from __future__ import annotations

from tidemill.demo.scenarios.leaves import build_scenario
from tidemill.recipes.shared.image_faults import plant
from tidemill.recipes.shared.leaves import examples

SCENARIO = build_scenario("coffee", examples, plant, second_overrides=("train.epochs=9",))
