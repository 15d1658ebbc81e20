"""`tidemill lineage`: what a prediction came from."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.tree import Tree

from tidemill import Workspace
from tidemill.screen import OUT, Home, Json, emit


def lineage(
    prediction: Annotated[str, typer.Argument(help="The id that came with the answer.")],
    *,
    full: Annotated[
        bool, typer.Option("--full", help="Show every setting, not only the changed ones.")
    ] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Show the model, run, data, changed settings and code behind a prediction.

    Example: tidemill lineage 01a1fb4b-8215-74df-a5f3-d6fc45fa526e
    """
    with Workspace(home) as workspace:
        trace = workspace.lineage(prediction)
        settings = workspace.run_settings(trace.run)
    if as_json:
        emit(trace.to_json() | {"settings": settings})
        return
    answers = ", ".join(
        f"{a.target} {a.label} ({a.confidence:.3f})" for a in trace.prediction.answers
    )
    at = f"{trace.prediction.at:%Y-%m-%d %H:%M:%S} UTC"
    tree = Tree(f"prediction {prediction}: {escape(answers)}, {at}")
    tree.add(f"payload {trace.example[:12] or 'not kept: a golden request'}")
    if trace.prediction.request_id:
        tree.add(f"request {escape(trace.prediction.request_id)}")
    if trace.prediction.traceparent:
        tree.add(f"trace {trace.prediction.traceparent}")
    version = tree.add(f"version {trace.version.id}, bundle {trace.version.bundle[:12]}")
    run = version.add(f"run {trace.run.id}, seed {trace.run.seed}")
    code = trace.run.code
    revision = code["revision"] or "not a git checkout"
    changed = " with local changes" if code["changed"] else ""
    run.add(f"code {revision}{changed}, package {code['package'][:12]}")
    run.add(f"snapshot {trace.snapshot.id[:12]}, {trace.snapshot.rows} examples")
    shown = settings.settings if full else settings.changed
    if settings.has_defaults:
        title = f"{len(settings.changed)} of {len(settings.settings)} settings changed"
        more = "" if full else "; --full shows all"
    else:
        title, more = f"{len(shown)} settings", ""
    config = run.add(f"configuration: {title}{more}")
    if settings.note:
        config.add(escape(settings.note))
    for setting in shown:
        config.add(escape(setting.line()))
    OUT.print(tree)


def register(app: typer.Typer) -> None:
    app.command("lineage")(lineage)
