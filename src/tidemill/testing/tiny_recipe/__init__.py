"""The recipe `pebble`: which stone a pebble is of, by three measurements; it trains in a second.

It needs no torch. Its entry points are not those of the package, so that no user sees it among the
shipped recipes: `use_tiny_recipe` makes it known to this process and to its children.
"""

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
