"""The names of the project that need torch, which takes ten seconds to load; see `names.py`."""

from __future__ import annotations

from tidemill.learn.augment import augment
from tidemill.learn.module import TrainModule
from tidemill.learn.ngram import NGramNetwork
from tidemill.learn.plan import TrainPlan

__all__ = ["NGramNetwork", "TrainModule", "TrainPlan", "augment"]
