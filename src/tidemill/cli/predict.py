"""`tidemill predict`: ask the champion about files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from tidemill import Prediction, Workspace
from tidemill.screen import OUT, Home, Json, Stages, emit, warn


def predict(
    files: Annotated[list[str], typer.Argument(help="Files, folders, or globs in quotes.")],
    *,
    record: Annotated[
        bool, typer.Option("--record", help="Log the predictions, as a server does.")
    ] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Ask the champion about files, here and without a server; logged only with --record.

    Example: tidemill predict leaf.jpg 'leaves/*.jpg'
    """
    with Workspace(home) as workspace, Stages("predict") as stages:
        paths = workspace.find_files(*files)
        progress = stages.progress()
        predictions = workspace.predict_many(paths, record=record, progress=progress)
    rows = list(zip(paths, predictions, strict=True))
    if as_json:
        emit(
            {
                "version": predictions[0].version,
                "predictions": [_entry(path, row, record=record) for path, row in rows],
            }
        )
        return
    # Only payloads that ask for many items have names for them.
    has_items = any(answer.item for row in predictions for answer in row.answers)
    table = Table(title=f"answered by {predictions[0].version}")
    for column in ("file", *(["item"] if has_items else []), "target", "label", "confidence"):
        table.add_column(column, overflow="fold")
    if record:
        table.add_column("id", no_wrap=True)
    for path, prediction in rows:
        warn([f"{path}: {remark}" for remark in prediction.remarks])
        for answer in prediction.answers:
            item = [escape(answer.item)] if has_items else []
            cells = (escape(answer.target), escape(answer.label), f"{answer.confidence:.3f}")
            table.add_row(escape(str(path)), *item, *cells, *([prediction.id] if record else []))
    OUT.print(table)


def _entry(path: Path, prediction: Prediction, *, record: bool) -> dict[str, object]:
    return {
        "file": str(path),
        **({"id": prediction.id} if record else {}),
        "answers": [asdict(answer) for answer in prediction.answers],
        "remarks": prediction.remarks,
    }


def register(app: typer.Typer) -> None:
    app.command("predict")(predict)
