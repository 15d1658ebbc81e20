"""`tidemill config`: the settings, or an experiment as it would run."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table

from tidemill import Workspace
from tidemill.screen import OUT, Home, Json, emit


def config(
    recipe: Annotated[str | None, typer.Argument(help="A recipe; without one, settings.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Experiment settings, KEY=VALUE.")
    ] = None,
    *,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Show the settings in force, or a recipe's experiment as it would run.

    Example: tidemill config sentiment model=minilm train.epochs=2
    """
    workspace = Workspace(home, recipe)
    if recipe is not None:
        tree = workspace.experiment(*overrides or ())
        if as_json:
            emit(tree)
        else:
            OUT.print(json.dumps(tree, indent=2), soft_wrap=True)
        return
    settings = workspace.settings
    if as_json:
        emit(settings.model_dump(mode="json"))
        return
    table = Table("variable", "value", "meaning")
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        text = "not set" if value is None or value == () else text
        table.add_row(f"TIDEMILL_{name.upper()}", text, field.description or "")
    OUT.print(table)


def register(app: typer.Typer) -> None:
    app.command("config")(config)
