"""Financial headlines: from the news room to the crowd."""

from __future__ import annotations

from tidemill.demo.scenarios import text
from tidemill.recipes.sentiment.sample.headlines import Headlines, plant

WORLD = text.world("sentiment", Headlines, plant, second=("seed=1",))
