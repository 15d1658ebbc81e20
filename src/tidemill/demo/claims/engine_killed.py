"""The engine is killed while its trainer works; the next one ends the same cycle, once."""

from __future__ import annotations

from tidemill.demo import live
from tidemill.demo.claim import Claim, Outcome, expect
from tidemill.demo.demo_run import Stage
from tidemill.domain.types import Run
from tidemill.workspace.root import Workspace


def judge(stage: Stage) -> Outcome:
    workspace = stage.workspace("killed")
    taught = live.taught(stage)
    with live.serving(stage, workspace.home) as server:
        live.say_by_answer(server, live.asked(stage, server, taught), live.labels(taught))
        with live.turning(stage, workspace.home) as engine:
            trainer = live.until(lambda: _trainer(workspace), "a training")
            cycle = live.latest_cycle(workspace)
            engine.kill()
        expect(cycle is not None and cycle.state == "training", f"killed in {cycle}")
        live.until(lambda: not live.lives(trainer), "the end of the orphaned trainer", 30)
        with live.turning(stage, workspace.home):
            ended = live.until(lambda: live.ended_cycle(workspace), "the end of the cycle")
    assert cycle is not None  # noqa: S101 - said above
    expect(ended.id == cycle.id, f"cycle {ended.id} ended, {cycle.id} had begun")
    expect(ended.version == workspace.champion().id, f"{ended.state}: {ended.reason}")
    times = live.promotions(workspace, ended.version)
    expect(times == 1, f"{ended.version} was promoted {times} times")
    with workspace.ledger.begin(write=False) as unit:
        runs = [unit.get(Run, id).status for id in ended.runs]
    expect(runs == ["failed", "finished"], f"its trainings are {runs}")
    return Outcome(
        True,
        f"cycle {ended.id[:13]} went on to {ended.state} with its second training; "
        f"no orphan remains, {ended.version} was promoted once",
    )


def _trainer(workspace: Workspace) -> int | None:
    """The process that trains: it has named a folder for what it needs after itself."""
    folder = next(workspace.scratch.glob(".writing-*"), None)
    return int(folder.name.split("-")[1]) if folder else None


CLAIM = Claim("engine_killed", "A killed engine leaves no orphan, and its cycle ends once", judge)
