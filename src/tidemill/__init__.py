"""Tidemill closes the machine-learning loop, and proves that it stays closed.

These names are the public interface. Each is loaded at its first use, so that `import tidemill` is
cheap. Everything else in the package may change.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidemill.client.client import Client
    from tidemill.client.load_report import LoadReport
    from tidemill.client.load_test import run_load_test
    from tidemill.codecs.codec import Codec
    from tidemill.codecs.graph import GraphCodec
    from tidemill.codecs.image import ImageCodec
    from tidemill.codecs.table import TableCodec
    from tidemill.codecs.text import TextCodec
    from tidemill.domain import errors
    from tidemill.domain.drift import DriftVerdict
    from tidemill.domain.errors import TidemillError
    from tidemill.domain.feedback import Feedback
    from tidemill.domain.types import Answer, Example, Explanation, Prediction, Verdict
    from tidemill.engine.engine import Engine
    from tidemill.evaluation.evaluation import Evaluation
    from tidemill.recipes.recipe import Recipe
    from tidemill.workspace.predictions import open_bundle
    from tidemill.workspace.workspace import Workspace

__all__ = [
    "Answer",
    "Client",
    "Codec",
    "DriftVerdict",
    "Engine",
    "Evaluation",
    "Example",
    "Explanation",
    "Feedback",
    "GraphCodec",
    "ImageCodec",
    "LoadReport",
    "Prediction",
    "Recipe",
    "TableCodec",
    "TextCodec",
    "TidemillError",
    "Verdict",
    "Workspace",
    "__version__",
    "errors",
    "open_bundle",
    "run_load_test",
]

__version__ = "0.1.0"

# ONNX Runtime reads this at its import, and would look up a host of its vendor and write a device
# id below the home folder. Set here, because this file runs before every other one of the package,
# and so before every import of ONNX Runtime: ours, PyTorch's exporter's and a child process's. It
# is no default that an environment may change: nothing may leave the machine.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

_MODULES = {
    "Answer": "tidemill.domain.types",
    "Client": "tidemill.client.client",
    "Codec": "tidemill.codecs.codec",
    "DriftVerdict": "tidemill.domain.drift",
    "Engine": "tidemill.engine.engine",
    "Evaluation": "tidemill.evaluation.evaluation",
    "Example": "tidemill.domain.types",
    "Explanation": "tidemill.domain.types",
    "Feedback": "tidemill.domain.feedback",
    "GraphCodec": "tidemill.codecs.graph",
    "ImageCodec": "tidemill.codecs.image",
    "LoadReport": "tidemill.client.load_report",
    "Prediction": "tidemill.domain.types",
    "Recipe": "tidemill.recipes.recipe",
    "TableCodec": "tidemill.codecs.table",
    "TextCodec": "tidemill.codecs.text",
    "TidemillError": "tidemill.domain.errors",
    "Verdict": "tidemill.domain.types",
    "Workspace": "tidemill.workspace.workspace",
    "open_bundle": "tidemill.workspace.predictions",
    "run_load_test": "tidemill.client.load_test",
}


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("tidemill.domain.errors")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
