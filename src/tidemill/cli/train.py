"""`tidemill train`: data in, a registered model version out."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from tidemill import Evaluation, Workspace, errors
from tidemill.adapters.parent_process import interrupt_when_gone
from tidemill.screen import STARTED, Home, Json, Stages, WithParent, emit, say


def train(
    recipe: Annotated[
        str | None, typer.Argument(help="The recipe, such as coffee.", show_default=False)
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Experiment settings, KEY=VALUE.")
    ] = None,
    *,
    home: Home = None,
    promoted: Annotated[
        bool, typer.Option("--promote", help="Judge the version and make it champion.")
    ] = False,
    run: Annotated[
        str | None, typer.Option(help="Do the training that the ledger knows by this id.")
    ] = None,
    with_parent: WithParent = False,
    hide_warnings: Annotated[bool, typer.Option("--hide-warnings", hidden=True)] = False,
    as_json: Json = False,
) -> None:
    """Check the data, train, and register the resulting model version.

    Example: tidemill train sentiment data=files data.path=rows.csv model=minilm
    """
    if with_parent:
        interrupt_when_gone()
    if (run is None) == (recipe is None):
        raise errors.UsageError(
            "Name a recipe, or a run that the ledger knows.",
            hint="tidemill train coffee, or tidemill train --run ID",
        )
    with Workspace(home, recipe) as workspace:
        # matplotlib would write its list of fonts below the home folder of the person.
        os.environ.setdefault("MPLCONFIGDIR", str(workspace.home / "caches" / "matplotlib"))
        with Stages() as stages:
            progress = stages.progress(warnings=not hide_warnings)
            trained = (
                workspace.resume(run, progress=progress)
                if run
                else workspace.train(*overrides or (), progress=progress)
            )
            if promoted:
                workspace.promote(trained.version.id, progress=progress)
        evaluation = workspace.evaluate(trained.version.id)
    seconds = time.monotonic() - STARTED
    if as_json:
        emit(
            {
                "version": trained.version.id,
                "bundle": trained.version.bundle,
                "run": trained.run.id,
                "snapshot": trained.run.snapshot,
                "weights": trained.run.weights,
                "metrics": trained.metrics,
                "champion": promoted,
                "warnings": trained.warnings,
                "ignored_files": trained.ignored_files,
                "seconds": round(seconds, 3),
            }
        )
        return
    say(f"{trained.version.id} is registered: bundle {trained.version.bundle[:12]}")
    for line in score_lines(trained.metrics, evaluation):
        say(f"  {line}")
    say(f"{seconds:.1f} s")
    if not promoted:
        say(f"Next: tidemill models promote {trained.version.id}")


def score_lines(metrics: Mapping[str, Any], evaluation: Evaluation) -> Iterator[str]:
    """Return the scores of each split; for several targets the mean, and then each target.

    Only the mean where the evaluation has no targets. Raises Corrupt when the evaluation lacks a
    split of a target.
    """
    several = len(evaluation.targets) > 1
    for split, mean in metrics.items():
        scores = _scores(mean["accuracy"], mean["macro_f1"])
        yield f"{split}: {scores}" + ", the mean of the targets" * several
        for target, splits in evaluation.targets.items():
            row = next((row for name, row in splits.items() if name == split), None)
            if row is None:
                raise errors.Corrupt(
                    f"The evaluation is malformed: {target} has no scores on {split}."
                )
            if several:
                yield f"  {target}: {_scores(row.accuracy, row.macro_f1)}"


def _scores(accuracy: float, macro_f1: float) -> str:
    return f"accuracy {accuracy:.3f}, macro-F1 {macro_f1:.3f}"


def register(app: typer.Typer) -> None:
    app.command("train")(train)
