"""Tidemill beside BentoML, LitServe and the bare runtime: `python -m bench.peers`."""
