"""Yes-or-no questions: first in letters, later in chats."""

from __future__ import annotations

from tidemill.demo.scenarios.text import build_scenario
from tidemill.recipes.lucky.sample.questions import Questions, plant

SCENARIO = build_scenario("lucky", Questions, plant, second_overrides=("seed=1",))
