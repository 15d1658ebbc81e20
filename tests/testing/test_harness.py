"""The public test harness: its names, what it loads, and where it refuses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tidemill.testing
from tidemill.adapters.clock import SystemClock
from tidemill.domain.errors import Unavailable, UsageError
from tidemill.testing import InProcessLoop, ServerProcess, wait_for
from tidemill.testing.in_process import OpenLoop
from tidemill.testing.processes import require_ready
from tidemill.testing.tiny_recipe.pebbles import pebbles
from tidemill.workspace.workspace import Workspace

pytestmark = pytest.mark.xdist_group("pebbles")
LOADED = """
import sys
from tidemill import testing
from tidemill.recipes.recipe import known_recipes, open_recipe
from tidemill.workspace.workspace import Workspace
for name in testing.__all__:
    getattr(testing, name)
assert "pebble" not in known_recipes(), known_recipes()
testing.use_tiny_recipe()
assert open_recipe("pebble").name == "pebble"
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"torch", "lightning"}))
"""


def test_every_public_name_is_there_and_none_other() -> None:
    assert all(getattr(tidemill.testing, name) for name in tidemill.testing.__all__)
    assert set(tidemill.testing.__all__) <= set(dir(tidemill.testing))
    with pytest.raises(AttributeError, match="nothing"):
        _ = tidemill.testing.nothing


def test_the_harness_needs_no_torch_and_hides_the_tiny_recipe_until_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Path(tidemill.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", str(source))
    completed = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (completed.returncode, completed.stdout.strip()) == (0, ""), completed.stderr


def test_a_loop_in_a_process_needs_a_fixed_clock(begin: OpenLoop) -> None:
    workspace = Workspace(begin().workspace.home, clock=SystemClock())
    with pytest.raises(UsageError, match="FixedClock"):
        InProcessLoop(workspace)


def test_a_loop_that_stays_busy_is_an_error(begin: OpenLoop) -> None:
    loop = begin()
    loop.give_feedback(pebbles(300, 61, 1.0))
    with pytest.raises(TimeoutError, match="busy after 2 ticks"):
        loop.settle(limit=2)


def test_a_loop_in_a_process_runs_trainings_only(begin: OpenLoop) -> None:
    with pytest.raises(UsageError, match="'evaluate'"):
        begin()._train(["evaluate", "--run", "r"])


def test_waiting_ends_with_the_condition_or_with_an_error() -> None:
    results: Iterator[object] = iter([None, [], "here"])
    assert wait_for(lambda: next(results), "it", pause=0) == "here"
    with pytest.raises(TimeoutError, match="it did not come within 0 s"):
        wait_for(lambda: None, "it", 0)


def test_a_server_with_a_damaged_bundle_is_not_ready(begin: OpenLoop) -> None:
    home = begin().workspace.home
    next(home.glob("bundles/*/model.onnx")).write_bytes(b"")
    with ServerProcess(home) as server, pytest.raises(Unavailable, match="not ready: "):
        require_ready(server.url)
