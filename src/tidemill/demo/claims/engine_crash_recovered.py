"""The engine is killed while its trainer works; the next engine ends the same cycle, once."""

from __future__ import annotations

from tidemill.demo import live
from tidemill.demo.claim import Claim, Outcome, expect
from tidemill.demo.demo_run import DemoRun
from tidemill.domain.types import Run
from tidemill.workspace.workspace import Workspace


def judge(demo: DemoRun) -> Outcome:
    workspace = demo.copy_base("crashed")
    labelled = live.labelled_examples(demo)
    with live.start_server(demo, workspace.home) as server:
        replies = live.predict_all(demo, server, labelled)
        live.send_feedback(server, replies, [row.labels for row in labelled])
        with live.start_engine(demo, workspace.home) as engine:
            trainer = live.wait_for_result(lambda: _find_trainer(workspace), "a training")
            cycle = live.find_latest_cycle(workspace)
            engine.kill()
        expect(cycle is not None and cycle.state == "training", f"killed in {cycle}")
        live.wait_for_result(lambda: not live.is_alive(trainer), "the end of the orphaned trainer")
        with live.start_engine(demo, workspace.home):
            ended = live.wait_for_result(
                lambda: live.find_ended_cycle(workspace), "the end of the cycle"
            )
    assert cycle is not None  # noqa: S101 - expected above
    expect(ended.id == cycle.id, f"cycle {ended.id} ended, {cycle.id} had begun")
    expect(ended.version == workspace.champion().id, f"{ended.state}: {ended.reason}")
    promotions = live.count_promotions(workspace, ended.version)
    expect(promotions == 1, f"{ended.version} was promoted {promotions} times")
    with workspace.ledger.begin(write=False) as unit:
        runs = [unit.get(Run, id).status for id in ended.runs]
    ends = runs in (["interrupted", "finished"], ["abandoned", "finished"])
    expect(ends, f"its trainings are {runs}")
    return Outcome(
        True,
        "The engine is killed during a training, and its trainer ends with it. A second engine "
        f"trains again and ends the same cycle as {ended.state}; it promotes {ended.version} once.",
    )


def _find_trainer(workspace: Workspace) -> int | None:
    """Return the process id of the trainer, which is in the name of its scratch folder."""
    folder = next(workspace.scratch.glob(".writing-*"), None)
    return int(folder.name.split("-")[1]) if folder else None


CLAIM = Claim(
    "engine_crash_recovered",
    "A killed engine's cycle ends once, with no orphan",
    "The engine gets kill -9 while its trainer works. The trainer must end, and a second "
    "engine must end the same cycle with exactly one promotion.",
    judge,
)
