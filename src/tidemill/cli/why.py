"""`tidemill why`: the chain of causes behind a version, a cycle or a prediction."""

from __future__ import annotations

from typing import Annotated

import typer

from tidemill.screen import OUT, Home, Json, emit
from tidemill.settings import read_settings
from tidemill.workspace.root import open_workspace
from tidemill.workspace.why import why as explain


def why(
    id: Annotated[str, typer.Argument(help="A version, a cycle or a prediction.")],
    *,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Say in plain sentences what led to a version, a cycle or a prediction.

    Example: tidemill why v2
    """
    sentences = explain(open_workspace(read_settings(home=home)), id)
    if as_json:
        emit({"id": id, "why": sentences})
        return
    for sentence in sentences:
        OUT.print(sentence, markup=False, soft_wrap=True)


def register(app: typer.Typer) -> None:
    app.command("why")(why)
