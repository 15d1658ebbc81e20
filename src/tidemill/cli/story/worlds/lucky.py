"""Yes or no: from people who write letters to people who chat."""

from __future__ import annotations

from tidemill.cli.story.worlds import text
from tidemill.data.samples.questions import Questions, plant

WORLD = text.world("lucky", Questions, plant, second=("seed=1",))
