"""`tidemill why`: the chain of causes behind a version, a cycle or a prediction."""

from __future__ import annotations

from typing import Annotated

import typer

from tidemill import Workspace
from tidemill.screen import OUT, Home, Json, emit


def why(
    id: Annotated[str, typer.Argument(help="A version, a cycle or a prediction.")],
    *,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Say in plain sentences what led to a version, a cycle or a prediction.

    Example: tidemill why v2
    """
    with Workspace(home) as workspace:
        sentences = workspace.why(id)
    if as_json:
        emit({"id": id, "why": sentences})
        return
    for sentence in sentences:
        OUT.print(sentence, markup=False, soft_wrap=True)


def register(app: typer.Typer) -> None:
    app.command("why")(why)
