"""Two claims are judged at once: the report's order, failures, and what both lanes need."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGINT, default_int_handler, signal
from subprocess import DEVNULL, PIPE, Popen
from threading import Barrier, Event, get_ident

import pytest

from tidemill.adapters.child_process import argv
from tidemill.adapters.hydra import read_defaults
from tidemill.demo.claim import Claim, ClaimFailed, Outcome
from tidemill.demo.demo_run import CommandResult, DemoRun
from tidemill.demo.judge import BY_BEGINNING, CLAIMS, DemoReport, JudgedClaim, judge_claims
from tidemill.demo.live import is_alive
from tidemill.demo.scenarios import SCENARIOS
from tidemill.domain.errors import TidemillError
from tidemill.recipes.recipe import open_recipe
from tidemill.settings import read_settings
from tidemill.testing import wait_for
from tidemill.workspace.workspace import Workspace

LIMIT_S = 30.0
"""Ends a test whose lanes do not meet."""


class CountedTrainings(DemoRun):
    """A demo whose trainings write a file instead of weights, and are counted."""

    def __init__(self, home: Path) -> None:
        super().__init__(SCENARIOS["lucky"], read_settings(home=home), lambda _line: None)
        self.trained: list[tuple[str, ...]] = []

    def train(self, home: Path, *overrides: str, promoted: bool = False) -> CommandResult:
        self.trained.append(overrides)
        home.mkdir(parents=True, exist_ok=True)
        (home / f"training-{len(self.trained)}").write_text(str(promoted))
        return CommandResult(0, {})


@pytest.fixture
def demo(tmp_path: Path) -> CountedTrainings:
    return CountedTrainings(tmp_path)


def claim_of(id: str, judge: Callable[[DemoRun], Outcome]) -> Claim:
    return Claim(id, id, id, judge)


def judge(demo: DemoRun, *claims: Claim) -> DemoReport:
    return judge_claims(
        demo, claims, since=0.0, on_begin=lambda _claim: None, on_end=lambda _row: None
    )


def test_every_claim_has_one_place_in_the_order_of_beginning() -> None:
    begun = [module.CLAIM.id for module in BY_BEGINNING]
    assert sorted(begun) == sorted(claim.id for claim in CLAIMS)


def test_the_report_has_the_claims_in_their_declared_order(demo: DemoRun) -> None:
    ended: list[str] = []
    second_ended = Event()

    def first(_demo: DemoRun) -> Outcome:
        return Outcome(second_ended.wait(LIMIT_S), "the second ended before")

    def note_end(row: JudgedClaim) -> None:
        ended.append(row.claim.id)
        second_ended.set()

    claims = [claim_of("one", first), claim_of("two", lambda _demo: Outcome(True, ""))]
    report = judge_claims(demo, claims, since=0.0, on_begin=lambda _claim: None, on_end=note_end)
    assert ended == ["two", "one"]
    assert [row.claim.id for row in report.judged] == ["one", "two"]
    assert report.holds


def test_claims_of_one_name_end_all_the_same(demo: DemoRun) -> None:
    claims = [claim_of("one", lambda _demo: Outcome(True, ""))] * 3
    assert [row.claim.id for row in judge(demo, *claims).judged] == ["one"] * 3


def test_the_screen_is_written_by_the_thread_that_judges(demo: DemoRun) -> None:
    threads: list[int] = []
    judge_claims(
        demo,
        [claim_of("one", lambda _demo: Outcome(True, ""))],
        since=0.0,
        on_begin=lambda _claim: threads.append(get_ident()),
        on_end=lambda _row: threads.append(get_ident()),
    )
    assert threads == [get_ident()] * 2


def test_a_claim_that_limits_seconds_is_judged_alone(demo: DemoRun) -> None:
    assert {"hot_swap_lossless", "rollback_quarantines"} == {c.id for c in CLAIMS if c.alone}
    order = list[tuple[str, str]]()

    def judge_named(id: str, *, alone: bool) -> Claim:
        return Claim(id, id, id, lambda _demo: Outcome(True, ""), alone=alone)

    judge_claims(
        demo,
        [judge_named(id, alone=id < "c") for id in "abcd"],
        since=0.0,
        on_begin=lambda claim: order.append(("begins", claim.id)),
        on_end=lambda row: order.append(("ends", row.claim.id)),
    )
    assert {id for _, id in order[:4]} == {"c", "d"}
    assert order[4:] == [(word, id) for id in "ab" for word in ("begins", "ends")]


@pytest.mark.parametrize(
    ("error", "value"),
    [
        (ClaimFailed("measured 3"), "measured 3"),
        (TidemillError("It is gone.", hint="Look."), "It is gone. Look."),
        (KeyError("version"), "KeyError: 'version'"),
        (SystemExit(2), "SystemExit: 2"),
    ],
)
def test_a_claim_that_raises_does_not_hold_and_both_lanes_go_on(
    demo: DemoRun, error: BaseException, value: str
) -> None:
    def fail(_demo: DemoRun) -> Outcome:
        raise error

    meet = Barrier(2, timeout=LIMIT_S)

    def meet_other(_demo: DemoRun) -> Outcome:
        meet.wait()
        return Outcome(True, "both lanes are left")

    claims = [claim_of("a", fail), claim_of("b", fail)]
    claims += [claim_of("c", meet_other), claim_of("d", meet_other)]
    report = judge(demo, *claims)
    assert [(row.outcome.holds, row.outcome.value) for row in report.judged] == [
        (False, value),
        (False, value),
        (True, "both lanes are left"),
        (True, "both lanes are left"),
    ]
    assert not report.holds


@pytest.mark.parametrize(
    ("copy", "trainings"), [("copy_base", [()]), ("copy_second", [(), ("seed=1",)])]
)
def test_what_two_lanes_need_is_trained_once(
    demo: CountedTrainings, copy: str, trainings: list[tuple[str, ...]]
) -> None:
    meet = Barrier(2, timeout=LIMIT_S)

    def copy_as(name: str) -> Callable[[DemoRun], Outcome]:
        def copy_at_once(demo: DemoRun) -> Outcome:
            meet.wait()
            workspace: Workspace = getattr(demo, copy)(name)
            files = sorted(path.name for path in workspace.home.glob("training-*"))
            return Outcome(len(files) == len(trainings), str(files))

        return copy_at_once

    report = judge(demo, claim_of("one", copy_as("one")), claim_of("two", copy_as("two")))
    assert report.holds, [row.outcome.value for row in report.judged]
    assert demo.trained == trainings
    # The second version is not in the workspace that other claims copy meanwhile.
    assert [path.name for path in demo.base.glob("training-*")] == ["training-1"]


def test_a_second_version_that_was_cut_off_is_trained_again(demo: CountedTrainings) -> None:
    demo.copy_base("second-unfinished")
    demo.copy_second("copy")
    assert demo.trained == [(), ("seed=1",)]


@pytest.mark.parametrize("screen", [True, False])
def test_a_failed_training_shows_its_output_also_when_it_has_no_screen(
    screen: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    notes: list[str] = []
    settings = read_settings(home=tmp_path)
    demo = DemoRun(SCENARIOS["lucky"], settings, notes.append, screen=screen)
    assert demo.train(tmp_path / "home", "train.epoch=3").exit_code == 2
    shown = capfd.readouterr().err
    assert ("train.epoch" in shown) is screen
    assert any("train.epoch" in note for note in notes) is not screen


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let child processes heed an interrupt; a shell's background job would ignore it."""
    before = signal(SIGINT, default_int_handler)
    yield
    signal(SIGINT, before)


def end_of(process: Popen[str]) -> str:
    """What a process writes on stderr until its end; it is killed when that does not come."""
    try:
        return process.communicate(timeout=LIMIT_S)[1]
    finally:
        process.kill()


@pytest.mark.usefixtures("interruptible")
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are listed by Linux")
def test_an_interrupt_ends_the_demo_and_the_trainings_of_both_lanes(tmp_path: Path) -> None:
    words = ("demo", "--recipe", "lucky", "--home", str(tmp_path))
    with Popen(argv(*words), stderr=PIPE, stdout=DEVNULL, text=True) as process:
        children = Path(f"/proc/{process.pid}/task")

        def list_trainings() -> list[int]:
            pids = " ".join(path.read_text() for path in children.glob("*/children")).split()
            return [int(pid) for pid in pids] if len(pids) == 2 else []

        trainings = wait_for(list_trainings, "two trainings")
        process.send_signal(SIGINT)
        stderr = end_of(process)
    assert process.returncode == 130
    assert "Interrupted." in stderr
    wait_for(lambda: not any(map(is_alive, trainings)), "the end of the trainings")


BUSY_LANE = """
import sys
from tidemill.cli import demo as command
import numpy, onnxruntime
from onnx import TensorProto, helper
from tidemill.cli.main import main
from tidemill.demo.claim import Claim

square = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1000, 1000]) for name in "ab"]
nodes = [helper.make_node("MatMul", ["a", "a"], ["b"])]
graph = helper.make_graph(nodes, "g", square[:1], square[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
session = onnxruntime.InferenceSession(model.SerializeToString())

def judge(demo):
    print("busy", flush=True)
    while True:
        session.run(None, {"a": numpy.ones((1000, 1000), "float32")})

command.choose_claims = lambda _only: (Claim("busy", "", "", judge),)
command.DemoRun.prepare_sample = lambda _run: None
sys.argv = ["tidemill", "demo", "--home", sys.argv[1]]
main()
"""


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_a_lane_that_is_inside_onnx_runtime(tmp_path: Path) -> None:
    words = [sys.executable, "-c", BUSY_LANE, str(tmp_path)]
    with Popen(words, stderr=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "busy\n"
        process.send_signal(SIGINT)
        stderr = end_of(process)
    assert (process.returncode, "Interrupted." in stderr) == (130, True), stderr


def test_two_threads_compose_one_after_the_other(demo: DemoRun) -> None:
    confs = [open_recipe(name).conf for name in ("coffee", "lucky")]
    expected = [read_defaults(conf) for conf in confs]
    meet = Barrier(2, timeout=LIMIT_S)

    def compose(at: int) -> Callable[[DemoRun], Outcome]:
        def compose_often(_demo: DemoRun) -> Outcome:
            meet.wait()
            trees = [read_defaults(confs[at]) for _ in range(5)]
            return Outcome(trees == [expected[at]] * 5, "")

        return compose_often

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        report = judge(demo, claim_of("one", compose(0)), claim_of("two", compose(1)))
    finally:
        sys.setswitchinterval(before)
    assert report.holds, [row.outcome.value for row in report.judged]
