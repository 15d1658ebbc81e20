"""The entry points of the tiny recipe, for the processes that ask for them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PLUGINS = Path(__file__).parents[1] / "plugins"
"""The folder with the recipe's entry points."""


def use_tiny_recipe() -> None:
    """Make the recipe `pebble` known to this process and to the processes that it starts."""
    if str(PLUGINS) not in sys.path:
        sys.path.append(str(PLUGINS))
    inherited = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if str(PLUGINS) not in inherited:
        os.environ["PYTHONPATH"] = os.pathsep.join([*inherited, str(PLUGINS)])
