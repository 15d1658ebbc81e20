"""`tidemill predict`: ask the champion about files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from tidemill import Workspace, errors
from tidemill.screen import OUT, Home, Json, emit, warn

BATCH = 64


def predict(
    files: Annotated[list[Path], typer.Argument(help="Payloads: images, or texts.")],
    *,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Ask the champion about files, here and without a server; nothing is logged.

    Example: tidemill predict leaf.jpg
    """
    workspace = Workspace(home)
    version = workspace.champion()
    predictor = workspace.predictor(version)
    rows = []
    for start in range(0, len(files), BATCH):
        part = files[start : start + BATCH]
        inputs = [_read(predictor.decode, file) for file in part]
        remarks = [predictor.remarks(decoded) for decoded in inputs]
        rows += list(zip(part, predictor.predict(inputs), remarks, strict=True))
    if as_json:
        body = [
            {"file": str(file), "answers": [asdict(answer) for answer in answers], "remarks": notes}
            for file, answers, notes in rows
        ]
        emit({"version": version.id, "predictions": body})
        return
    # Only payloads that ask for many items have names for them.
    named = ("item",) if predictor.many else ()
    table = Table(
        "file", *named, "target", "label", "confidence", title=f"answered by {version.id}"
    )
    for file, answers, notes in rows:
        warn([f"{file}: {remark}" for remark in notes])
        for answer in answers:
            item = [escape(answer.item)] if predictor.many else []
            confidence = f"{answer.confidence:.3f}"
            table.add_row(str(file), *item, answer.target, answer.label, confidence)
    OUT.print(table)


def _read(decode: Callable[[bytes], object], file: Path) -> object:
    try:
        return decode(file.read_bytes())
    except OSError as error:
        raise errors.DataError(f"{file} cannot be read: {error.strerror}.") from error
    except errors.BadPayload as error:
        raise errors.DataError(f"{file}: {error.message}", hint=error.hint) from error


def register(app: typer.Typer) -> None:
    app.command("predict")(predict)
