"""`tidemill explain`: which parts of an image an answer rests on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tidemill import Workspace, errors
from tidemill.occlusion import draw_heat_map
from tidemill.occlusion import explain as explained
from tidemill.screen import OUT, Home, Json, emit


def explain(
    file: Annotated[Path, typer.Argument(help="An image.")],
    *,
    out: Annotated[Path, typer.Option(help="Where the heat image goes, a PNG.")],
    target: Annotated[
        str | None, typer.Option(help="What is asked about it.", show_default="the first")
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="Explain this one.", show_default="the answer")
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Draw where covering an image takes the champion's answer away; nothing is logged.

    Example: tidemill explain leaf.jpg --out heat.png
    """
    workspace = Workspace(home)
    version = workspace.champion()
    try:
        explanation = explained(
            workspace.predictor(version), _content(file), target=target, label=label
        )
    except errors.BadPayload as error:
        raise errors.DataError(f"{file}: {error.message}", hint=error.hint) from error
    try:
        out.write_bytes(draw_heat_map(explanation))
    except OSError as error:
        raise errors.DataError(f"{out} cannot be written: {error.strerror}.") from error
    row, column = explanation.strongest
    drop = float(explanation.drops[row, column])
    if as_json:
        emit(
            {
                "version": version.id,
                "file": str(file),
                "out": str(out),
                "target": explanation.target,
                "label": explanation.label,
                "probability": explanation.probability,
                "drops": explanation.drops.tolist(),
                "strongest": {"row": row, "column": column, "drop": drop},
            }
        )
        return
    rows, columns = explanation.drops.shape
    OUT.print(
        f"{explanation.target}: {explanation.label} ({explanation.probability:.3f}), "
        f"answered by {version.id}. "
        f"Covering row {row + 1} of {rows}, column {column + 1} of {columns} takes {drop:.3f} "
        f"of it away. {out} shows it.",
        markup=False,
        soft_wrap=True,
    )


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise errors.DataError(f"{file} cannot be read: {error.strerror}.") from error


def register(app: typer.Typer) -> None:
    app.command("explain")(explain)
