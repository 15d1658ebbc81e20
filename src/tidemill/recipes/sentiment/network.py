"""The networks that learn headlines: hashed n-grams, or a pretrained encoder."""

from __future__ import annotations

from tidemill.learn.text_network import build

__all__ = ["build"]
