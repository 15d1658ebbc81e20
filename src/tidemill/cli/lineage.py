"""`tidemill lineage`: what a prediction came from."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.tree import Tree

from tidemill import Workspace
from tidemill.screen import OUT, Home, Json, emit


def lineage(
    prediction: Annotated[str, typer.Argument(help="The id that came with the answer.")],
    *,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Show the model, run, data, configuration and code behind a prediction.

    Example: tidemill lineage 01a1fb4b-8215-74df-a5f3-d6fc45fa526e
    """
    with Workspace(home) as workspace:
        trace = workspace.lineage(prediction)
    if as_json:
        emit(trace.to_json())
        return
    answers = ", ".join(
        f"{a.target} {a.label} ({a.confidence:.3f})" for a in trace.prediction.answers
    )
    tree = Tree(f"prediction {prediction}: {answers}, {trace.prediction.at:%Y-%m-%d %H:%M:%S} UTC")
    tree.add(f"payload {trace.example[:12] or 'not kept: a golden request'}")
    version = tree.add(f"version {trace.version.id}, bundle {trace.version.bundle[:12]}")
    run = version.add(f"run {trace.run.id}, seed {trace.run.seed}")
    code = trace.run.code
    revision = code["revision"] or "not a git checkout"
    changed = " with local changes" if code["changed"] else ""
    run.add(f"code {revision}{changed}, package {code['package'][:12]}")
    run.add(f"snapshot {trace.snapshot.id[:12]}, {trace.snapshot.rows} examples")
    config = run.add("configuration")
    for group, values in trace.run.config.items():
        config.add(f"{group}: {values}")
    OUT.print(tree)


def register(app: typer.Typer) -> None:
    app.command("lineage")(lineage)
