"""What the tests of the text recipes' sources share."""

from __future__ import annotations

import http.server
import os
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tidemill.domain.ports import Source
from tidemill.workspace.planning import plan

REAL = Path(os.environ.get("TIDEMILL_REAL_DATA", "/nowhere"))
real = pytest.mark.skipif(not REAL.is_dir(), reason="TIDEMILL_REAL_DATA names no folder")
Row = tuple[str, str, str, str | None]


class Shelf(http.server.BaseHTTPRequestHandler):
    """Gives what lies on it."""

    files: ClassVar[dict[str, bytes]] = {}

    def do_GET(self) -> None:
        content = self.files.get(self.path)
        self.send_response(404 if content is None else 200)
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


def opened(recipe: str, samples: Path, *overrides: str) -> Source:
    definition, experiment = plan(recipe, overrides)
    return definition.source(experiment.tree(), samples)


def rows(source: Source) -> list[Row]:
    """Text, label, source and split of every example."""
    source.prepare(lambda done, total: None)
    return [
        (row.payload.decode(), *row.labels.values(), row.source, row.split)  # type: ignore[misc]
        for row in source.examples()
    ]


def write(folder: Path, **files: str) -> Path:
    """CSV files by their stems."""
    for stem, text in files.items():
        (folder / f"{stem}.csv").write_text(text, "utf-8")
    return folder


def resolved(recipe: str, *overrides: str) -> dict[str, Any]:
    return plan(recipe, overrides)[1].tree()
