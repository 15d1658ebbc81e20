"""Yes or no: from people who write letters to people who chat."""

from __future__ import annotations

from tidemill.demo.scenarios import text
from tidemill.recipes.lucky.sample.questions import Questions, plant

WORLD = text.world("lucky", Questions, plant, second=("seed=1",))
