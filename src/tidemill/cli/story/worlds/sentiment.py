"""Financial headlines: from the news room to the crowd."""

from __future__ import annotations

from tidemill.cli.story.worlds import text
from tidemill.data.samples.headlines import Headlines, plant

WORLD = text.world("sentiment", Headlines, plant, second=("seed=1",))
