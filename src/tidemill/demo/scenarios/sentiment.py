"""Financial headlines: first from a news room, later from posts."""

from __future__ import annotations

from tidemill.demo.scenarios.text import build_scenario
from tidemill.recipes.sentiment.sample.headlines import Headlines, plant

SCENARIO = build_scenario("sentiment", Headlines, plant, second_overrides=("seed=1",))
