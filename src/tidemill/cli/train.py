"""`tidemill train`: data in, a registered model version out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from tidemill.adapters.parent_process import interrupt_when_gone
from tidemill.bundle import Bundle
from tidemill.domain.errors import Corrupt, UsageError
from tidemill.screen import STARTED, Home, Json, Stages, WithParent, emit, say, warn
from tidemill.settings import read_settings
from tidemill.workspace.planning import plan
from tidemill.workspace.promotion import promote
from tidemill.workspace.root import open_trainer, open_workspace
from tidemill.workspace.training import resume, take_snapshot, train_version


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
        raise UsageError(
            "Name a recipe, or a run that the ledger knows.",
            hint="tidemill train coffee, or tidemill train --run ID",
        )
    settings = read_settings(home=home)
    warnings: list[str] = []
    if run is not None:
        workspace = open_workspace(settings)
        with Stages() as stages:
            finished = resume(workspace, run, stages.told())
    else:
        chosen, experiment = plan(str(recipe), overrides or ())
        trainer = open_trainer(chosen.name)
        workspace = open_workspace(settings, create=True)
        with Stages() as stages:
            intake = take_snapshot(workspace, chosen, experiment, stages.told())
            warnings = [finding.line() for finding in intake.findings]
            if not hide_warnings:
                warn(warnings)
            finished = train_version(
                workspace, chosen, experiment, intake.snapshot, trainer, stages.told()
            )
    verdict = promote(workspace, finished.version.id) if promoted else None
    seconds = time.monotonic() - STARTED
    if as_json:
        emit(
            {
                "version": finished.version.id,
                "bundle": finished.version.bundle,
                "run": finished.run.id,
                "snapshot": finished.run.snapshot,
                "weights": finished.run.weights,
                "metrics": finished.run.metrics,
                "champion": verdict is not None,
                "warnings": warnings,
                "seconds": round(seconds, 3),
            }
        )
        return
    say(f"{finished.version.id} is registered: bundle {finished.version.bundle[:12]}")
    bundle = workspace.bundles.open(finished.version.bundle)
    for line in scored(finished.run.metrics, bundle):
        say(f"  {line}")
    say(f"{seconds:.1f} s")
    if verdict is None:
        say(f"Next: tidemill models promote {finished.version.id}")


def scored(metrics: Mapping[str, Any], bundle: Bundle) -> Iterator[str]:
    """What a model scored on each split; of several targets the mean, and then each of them.

    Only the mean where the evaluation of the bundle has no targets. Raises what `Bundle.evaluation`
    raises, and Corrupt when the evaluation lacks a split of a target.
    """
    several = len(bundle.classes) > 1
    targets = bundle.evaluation().targets if several else {}
    for split, figures in metrics.items():
        yield f"{split}: {_figures(figures)}" + ", the mean of the targets" * several
        for target, scores in targets.items():
            row = next((row for name, row in scores.items() if name == split), None)
            if row is None:
                raise Corrupt(
                    f"evaluation.json of bundle {bundle.id[:12]} is malformed: {target} has no"
                    f" scores on {split}."
                )
            yield f"  {target}: {_figures(row.figures)}"


def _figures(row: Mapping[str, float]) -> str:
    return f"accuracy {row['accuracy']:.3f}, macro-F1 {row['macro_f1']:.3f}"


def register(app: typer.Typer) -> None:
    app.command("train")(train)
