"""Tidemill closes the machine-learning loop, and proves that it stays closed."""

__all__ = ["__version__"]

__version__ = "0.1.0"
